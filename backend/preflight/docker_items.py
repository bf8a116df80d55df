"""Docker and the guide's container: there, of the right image, with the right devices and mounts. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from backend.engines.container import GUIDE_SHM_BYTES, NPU_SMI_PLACES, ContainerRun, docker_run, parse_size
from backend.fleet.node_sets import folded
from backend.fleet.transport import Completed
from backend.preflight.docker_state import DockerState, FoundContainer, docker_argv, read_docker
from backend.preflight.item import Item, Repair, Status, Verdict, script, short, unknown, warning, well, wrong
from backend.translation import _

DOWN = "down"  # the value of a container in which nothing can run
OLDEST_DOCKER = (17, 12)  # `docker exec -w`
_FORWARD_FILE = "/etc/sysctl.d/zz-npudeck.conf"
_FORWARD = r"""
printf 'npudeck-forward %s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
for file in /run/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf /etc/sysctl.d/*.conf /etc/sysctl.conf; do
    [ -r "$file" ] || continue
    sed -n "s|^[[:space:]]*net[./]ipv4[./]ip_forward[[:space:]]*=[[:space:]]*|npudeck-forward-file $file |p" \
        "$file"
done
"""
_FILE = re.compile(r"^npudeck-forward-file (\S+) (\d)\s*$", re.MULTILINE)
_NOW = re.compile(r"^npudeck-forward (\d)\s*$", re.MULTILINE)
_INSTALL = {
    "apt-get": "apt-get install -y docker.io",
    "dnf": "dnf install -y docker",
    "yum": "yum install -y docker",
    "zypper": "zypper install -y docker",
}
# Huawei's systems name the packages otherwise
_HUAWEI = frozenset({"openeuler", "euleros", "hce"})
_INSTALL_HUAWEI = "{tool} install -y docker-engine docker-engine-selinux docker-runc"

# what of the driver must be seen inside, and where
_DRIVER = (
    ("npu-smi", frozenset(NPU_SMI_PLACES)),
    ("/usr/local/Ascend/driver", frozenset({"/usr/local/Ascend/driver", "/usr/local/Ascend"})),
)

JudgeState = Callable[[DockerState], Verdict]


def docker_items(run: ContainerRun) -> tuple[Item, ...]:
    """Items that share one question, and the forwarding of packets."""
    image = _("{image}, the same on all nodes").format(image=run.container.image)
    shm = _("runs with the image, {npus} NPUs, driver, work directory, shm {shm}, host network").format(
        npus=run.npus, shm=run.container.shm_size
    )
    return (
        _item(
            run, "docker", _("docker of {least} or later").format(least="17.12"), judge_docker, Status.WARNING
        ),
        _item(run, "image", image, lambda state: judge_image(state, run), Status.WRONG),
        _item(run, "container", shm, lambda state: judge_container(state, run)),
        _item(run, "bound_npus", _("no other container on the NPUs"), lambda state: judge_bound(state, run)),
        Item(
            "ip_forward", _("net.ipv4.ip_forward = 1, now and after a boot"), script(_FORWARD), judge_forward
        ),
    )


def _item(run: ContainerRun, name: str, needed: str, judge: JudgeState, same: Status | None = None) -> Item:
    def judged(done: Completed) -> Verdict:
        state = read_docker(done)
        return unknown(short(done.complaint())) if state is None else judge(state)

    return Item(name, needed, docker_argv(run), judged, timeout_s=15.0, same=same)


def judge_docker(state: DockerState) -> Verdict:
    if not state.present:
        return wrong(_("docker is not installed"), install_words(state))
    if not state.version:
        denied = "permission denied" in state.complaint.lower()
        fix = (
            _("add the login user to the group docker, and log in anew")
            if denied
            else _("start it: systemctl enable --now docker")
        )
        words = _("docker's daemon does not answer")
        return wrong(f"{words}: {state.complaint}" if state.complaint else words, fix)
    numbers = tuple(int(part) for part in re.findall(r"\d{1,6}", state.version)[:2])
    if numbers < OLDEST_DOCKER:
        return wrong(state.version, _("update it: {command}").format(command=install_words(state)))
    return well(state.version, state.version)


def install_words(state: DockerState) -> str:
    """The command of the node's own system; it is never run."""
    tool = state.tools[0] if state.tools else ""
    if state.system.lower() in _HUAWEI:
        return _INSTALL_HUAWEI.format(tool=tool or "yum")
    return _INSTALL.get(tool) or _("install docker with the tools of this system")


def judge_image(state: DockerState, run: ContainerRun) -> Verdict:
    if not state.version:
        return _no_docker()
    if not state.image:
        return wrong(_("not there"), f"docker pull {run.container.image}")
    return well(short(state.image.removeprefix("sha256:"), 12), state.image)


def judge_container(state: DockerState, run: ContainerRun) -> Verdict:
    if not state.version:
        return _no_docker()
    found = state.named(run.container.name)
    if found is None:
        return replace(_absent(state, run), value=DOWN)
    name = run.container.name
    faults = container_faults(found, state, run)
    if faults:
        again = _("it would have to be made anew: npudeck containers stop --remove, then start")
        return replace(wrong("; ".join(faults), again), value="" if found.running else DOWN)
    if not found.running:
        return replace(
            wrong(_("it is stopped"), "", Repair(("docker", "start", name), safe=True)), value=DOWN
        )
    if (parse_size(run.container.shm_size) or 0) < GUIDE_SHM_BYTES:
        return warning(
            _("it runs, with shm {size}").format(size=run.container.shm_size),
            _("the guide asks for 200g or more: shm_size of [container] in the inventory"),
        )
    return well(_("it runs"))


def container_faults(found: FoundContainer, state: DockerState, run: ContainerRun) -> list[str]:
    """In words, what of a container is not as the inventory and the recipe want it."""
    faults = []
    if found.paused:
        faults.append(_("it is paused: docker unpause {name}").format(name=found.name))
    if state.image and found.image != state.image:
        faults.append(
            _("it is of another image ({id})").format(id=short(found.image.removeprefix("sha256:"), 12))
        )
    lacking = [device for device in run.devices if device not in found.devices]
    if lacking and found.npus is not None:
        faults.append(_("it lacks {devices}").format(devices=short(folded(lacking), 80)))
    inside = {destination.rstrip("/") for _source, destination in found.mounts}
    mounts = [mount for mount in run.work_mounts if mount not in found.mounts]
    if mounts:
        words = ", ".join(f"{outside}:{inside}" for outside, inside in mounts)
        faults.append(_("it does not mount {mounts}").format(mounts=short(words, 120)))
    faults += _own_mounts(found, run)
    for name, places in _DRIVER:
        if not inside.intersection(places):
            faults.append(_("it does not mount {mounts}").format(mounts=name))
    if found.shm_bytes < (parse_size(run.container.shm_size) or 0):
        faults.append(_("its shm is {size} MiB").format(size=found.shm_bytes >> 20))
    if found.network != "host":
        faults.append(_("its network is {name}").format(name=found.network))
    return faults


def _own_mounts(found: FoundContainer, run: ContainerRun) -> Iterator[str]:
    """Of the inventory's `mounts`."""
    for mount in run.own_mounts:
        if (mount.outside, mount.inside) not in found.mounts:
            yield _("it does not mount {mounts}").format(mounts=short(mount.volume, 120))
        elif mount.read_only and mount.inside not in found.closed:
            yield _("{path} can be written in it").format(path=short(mount.inside, 120))
        elif not mount.read_only and mount.inside in found.closed:
            yield _("{path} cannot be written in it").format(path=short(mount.inside, 120))


def judge_bound(state: DockerState, run: ContainerRun) -> Verdict:
    if not state.version:
        return _no_docker()
    bound = bound_by_others(state, run)
    if not bound:
        return well(_("none"))
    name, npus = bound[0]
    words = _("container {name} binds NPU {npus}").format(name=name, npus=_numbers(npus))
    if len(bound) > 1:
        words += _(" and {count} more containers").format(count=len(bound) - 1)
    repair = Repair(("docker", "stop", name), safe=False)
    return wrong(
        words,
        _("an NPU belongs to one container; ask its owner, then: docker stop {name}").format(name=name),
        repair,
    )


def bound_by_others(state: DockerState, run: ContainerRun) -> list[tuple[str, tuple[int, ...]]]:
    """Running containers with another name that bind NPUs of ours, and which."""
    return [
        (found.name, npus)
        for found in state.containers
        if found.running and found.name != run.container.name
        if (npus := tuple(npu for npu in range(run.npus) if found.binds(npu)))
    ]


def judge_forward(done: Completed) -> Verdict:
    now = _NOW.search(done.text())
    if now is None:
        return unknown(short(done.complaint()))
    files = _FILE.findall(done.text())
    # as `sysctl --system` reads them: by their names, /etc/sysctl.conf at the end
    files.sort(key=lambda found: (found[0] == "/etc/sysctl.conf", found[0].rpartition("/")[2]))
    kept = files[-1][1] if files else ""
    if now[1] == "1" and kept == "1":
        return well("1")
    main = ("/etc/sysctl.conf", "0") in files
    repair = Repair(("sh", "-c", _forward_on(main)), safe=True, as_root=True)
    later = _("{file} says 0").format(file=files[-1][0]) if kept == "0" else _("no file keeps it")
    if now[1] == "1":
        return warning(_("1 now, but {later}").format(later=later), "", repair)
    return wrong(_("0 now") + ("" if kept == "1" else f"; {later}"), "", repair)


def _forward_on(main: bool) -> str:
    """With the guide's own change of /etc/sysctl.conf where that file says no: it is read last."""
    edit = r"sed -i '/^[[:space:]]*net\.ipv4\.ip_forward[[:space:]]*=/s/=.*/=1/' /etc/sysctl.conf"
    line = f"echo net.ipv4.ip_forward=1 > {_FORWARD_FILE} && sysctl -w net.ipv4.ip_forward=1"
    return f"{edit} && {line}" if main else line


def _absent(state: DockerState, run: ContainerRun) -> Verdict:
    there_is_none = _("there is none")
    if not state.image:
        return wrong(
            there_is_none, _("first its image: docker pull {image}").format(image=run.container.image)
        )
    if state.lacking:
        words = _("{there}, and the host lacks {paths}").format(
            there=there_is_none, paths=short(", ".join(state.lacking), 80)
        )
        fix = _("install the NPU driver, or choose other nodes")
        if not set(state.lacking).intersection(run.devices):
            # Docker would make an empty folder of root's in its place
            fix = _("mount it on the host, or take it out of `mounts` of [container] in the inventory")
        return wrong(words, fix)
    if not state.npu_smi:
        return wrong(
            _("{there}, and the host has no npu-smi").format(there=there_is_none), _("install the NPU driver")
        )
    if bound_by_others(state, run):
        return wrong(there_is_none, _("its NPUs are bound by another container: see bound_npus"))
    return wrong(there_is_none, "", Repair(docker_run(run, state.host()), safe=True))


def _no_docker() -> Verdict:
    return Verdict(Status.SKIPPED, _("docker does not answer"))


def _numbers(npus: tuple[int, ...]) -> str:
    return ",".join(map(str, npus[:16])) + ("…" if len(npus) > 16 else "")
