"""Directories: there, writable, owned by who trains, and the guide's code in its layout. Pure."""

from __future__ import annotations

import re

from backend.fleet.containers import in_container
from backend.fleet.transport import Completed
from backend.inventory import Container, Node
from backend.preflight.item import (
    Item,
    Place,
    Repair,
    Status,
    Verdict,
    lines_after,
    script,
    short,
    unknown,
    well,
    wrong,
)
from backend.preflight.setting import Setting
from backend.translation import _

# word: the directory
_STATE = """
if [ ! -e "$1" ]; then echo 'npudeck-directory absent'
elif [ ! -d "$1" ]; then echo 'npudeck-directory file'
elif [ ! -w "$1" ] || [ ! -x "$1" ]; then
    echo "npudeck-directory closed $(ls -ld -- "$1" | awk '{ print $1, $3 }')"
else echo 'npudeck-directory open'; fi
"""
# words: the directory. Three levels tell a tree that was unpacked as root; a whole one would take minutes
_FOREIGN = """
[ -d "$1" ] || { echo 'npudeck-owner absent'; exit 0; }
printf 'npudeck-owner me %s %s %s\\n' "$(id -u)" "$(id -g)" "$(id -un)"
find "$1" -xdev -maxdepth 3 ! -user "$(id -u)" -print 2>/dev/null | head -n 3 |
    sed 's/^/npudeck-owner other /'
"""
# words: user, group, directory; what lies on other file systems, and where links lead, is left alone
_TAKE = 'find "$3" -xdev ! -user "$1" -exec chown -h "$1:$2" {} +'
_NUMBER = re.compile(r"\d{1,10}")
# words: code directory, script of the model
_CODE = """
cd -- "$1" 2>/dev/null || { echo 'npudeck-code absent'; exit 0; }
echo 'npudeck-code there'
for part in scripts/install.sh scripts/dev_pipeline.sh "$2" ascendcloud_patch src Megatron-LM MindSpeed \
    ModelLink ModelLink/megatron; do
    [ -z "$part" ] || [ -e "$part" ] || printf 'npudeck-code lacks %s\\n' "$part"
done
for part in Megatron-LM MindSpeed ModelLink; do
    commit=$(git -c safe.directory='*' -C "$part" rev-parse --verify HEAD 2>/dev/null) &&
        [ -e "$part/.git" ] && printf 'npudeck-code commit %s %s\\n' "$part" "$commit"
done
exit 0
"""


def work_directory_item(node: Node) -> Item:
    return _directory("work_directory", node.work_directory)


def shared_directory_item(setting: Setting) -> Item:
    return _directory("shared_directory", setting.shared_directory)


def shared_inside_item(setting: Setting) -> Item:
    """The user of the container is another than the login user."""
    return _directory("shared_inside", setting.shared_directory, setting.inside)


def _directory(name: str, path: str, place: Place = Place.HOST) -> Item:
    def judge(done: Completed) -> Verdict:
        said = lines_after(done.text(), "npudeck-directory ")
        state, _blank, rest = said[0].partition(" ") if said else ("", "", "")
        if state == "open":
            return well(path)
        if state == "absent":
            repair = Repair(("mkdir", "-p", "--", path), safe=True) if place is Place.HOST else None
            return wrong(_("{path} is not there").format(path=path), "", repair)
        if state == "file":
            return wrong(_("{path} is no directory").format(path=path), _("change it in the inventory"))
        if state == "closed":
            words = _("{path} cannot be written ({rights})").format(path=path, rights=short(rest, 60))
            return wrong(words, _("give it to the user who trains, or change it in the inventory"))
        return unknown(short(done.complaint()))

    needed = _("{path}, writable").format(path=path)
    return Item(name, needed, script(_STATE, path), judge, place)


def owner_item(node: Node, setting: Setting) -> Item:
    """What was unpacked as root cannot be written by the user who trains."""
    path, container = node.work_directory, setting.container

    def judge(done: Completed) -> Verdict:
        said = lines_after(done.text(), "npudeck-owner ")
        me = next((line.split() for line in said if line.startswith("me ")), [])
        if said == ["absent"]:
            return Verdict(Status.SKIPPED, _("{path} is not there").format(path=path))
        if len(me) < 3 or not _NUMBER.fullmatch(me[1]) or not _NUMBER.fullmatch(me[2]):
            return _no_user(done, container)
        others = [line.removeprefix("other ") for line in said if line.startswith("other ")]
        if not others:
            return well(_("everything belongs to {user}").format(user=short(me[-1], 40)))
        words = _("{path} belongs to somebody else than {user}").format(
            path=short(others[0], 100), user=short(me[-1], 40)
        )
        return wrong(words, "", _take(me[1], me[2], path, container))

    needed = _("the work directory belongs to who trains")
    return Item("owner", needed, script(_FOREIGN, path), judge, setting.inside, 15.0)


def _take(user: str, group: str, path: str, container: Container | None) -> Repair:
    argv = ("sh", "-c", _TAKE, "chown", user, group, path)
    if container is None:
        return Repair(argv, safe=True, as_root=True)
    return Repair(in_container(container, argv, as_root=True), safe=True)


def _no_user(done: Completed, container: Container | None) -> Verdict:
    said = done.complaint()
    if container is not None and "unable to find user" in said:
        words = _("the image has no user {user}").format(user=container.user)
        return wrong(words, _("set `user` of [container] in the inventory to one that it has"))
    return unknown(short(said))


def code_item(directory: str, model_script: str, place: Place) -> Item:
    """`value`: the commits of the sources, which must be the same everywhere."""

    def judge(done: Completed) -> Verdict:
        said = lines_after(done.text(), "npudeck-code ")
        if not said:
            return unknown(short(done.complaint()))
        upload = _("bring the code package to the node: npudeck fleet push code AscendCloud-….zip")
        if said[0] == "absent":
            return wrong(_("{path} is not there").format(path=directory), upload)
        lacking = [line.removeprefix("lacks ") for line in said if line.startswith("lacks ")]
        if lacking:
            sources = {"Megatron-LM", "MindSpeed", "ModelLink", "ModelLink/megatron"}
            fix = (
                _("run its install.sh: npudeck fleet push code … --install")
                if sources.issuperset(lacking)
                else upload
            )
            return wrong(short(_("it lacks {names}").format(names=", ".join(lacking))), fix)
        commits = [line.removeprefix("commit ") for line in said if line.startswith("commit ")]
        found = ", ".join(" ".join(part[:12] for part in line.split()) for line in commits)
        return well(short(found) or _("complete, without commits"), short(" ".join(commits), 400))

    needed = _("{path} in the guide's layout, the same on all nodes").format(path=directory)
    return Item("code", needed, script(_CODE, directory, model_script), judge, place, same=Status.WRONG)
