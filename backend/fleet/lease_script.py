"""What runs on a node to take, renew, give back and list leases of its NPUs, and what it prints. Pure.

    WORK_DIRECTORY/.npudeck/leases/DEVICE   a number of an NPU, or `all`: nine lines, see `put` below
    WORK_DIRECTORY/.npudeck/leases.log      who took what from whom, and why
    WORK_DIRECTORY/.npudeck/stolen/RUN/SINCE  what this steal of RUN took from others, for UNDO

Everything happens under one flock, so that several NPUs are taken together or not at all. The node judges
with its own clock. A lease is over when the machine (boot id) or its container (pid namespace, and the start
of its process 1) has been started anew since, or when nobody renewed it for its time to live, and no process
of its run is left; a run whose bastion is gone but which computes on keeps its NPUs. A renewal that lies in
the future by more than that (a clock was put right) is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.state.lease import Lease

_WORDS = """
set -eu
umask 022
LC_ALL=C; export LC_ALL
root=$1; run=$2; place=$3; ttl=$4; actor=$5; since=$6; why=$7; steal=$8; shift 8
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none)
# a container that is started anew often gets the number of the old one's namespace again
pids=$(readlink /proc/self/ns/pid 2>/dev/null || echo none)@$(
    sed 's/.*) //' /proc/1/stat 2>/dev/null | cut -d' ' -f20
)
now=$(date +%s)
"""

_LOCK = """
mkdir -p "$root/leases"
command -v flock >/dev/null || { echo "flock (util-linux) is needed" >&2; exit 3; }
exec 9>"$root/leases.lock"
flock -w 10 9 || { echo "the leases are locked by another command" >&2; exit 3; }
"""

# to look needs no right to write; what cannot be seen is not free
_THERE = """
if ! said=$(ls -d "$root/leases/." 2>&1); then
    case $said in *"No such file"*) printf 'npudeck-lease\\ttaken\\n'; exit 0;; esac
    echo "$said" >&2; exit 3
fi
[ -r "$root/leases" ] || { echo "$root/leases: Permission denied" >&2; exit 3; }
"""

_TOOLS = """
load() {
    was_run= was_actor= was_since= was_place= was_boot= was_pids= was_beat= was_ttl= was_why=
    {
        read -r was_run; read -r was_actor; read -r was_since; read -r was_place; read -r was_boot
        read -r was_pids; read -r was_beat; read -r was_ttl; read -r was_why
    } <"$root/leases/$1" 2>/dev/null || :
    alive=0
    for number in "$was_beat" "$was_ttl" "$was_since"; do
        case $number in ''|*[!0-9]*|???????????*) was_run=''; break;; esac
    done
    if [ -z "$was_run" ] || [ -z "$was_boot" ]; then
        state=broken was_beat=$now was_ttl=0 was_since=0
        return
    fi
    if [ "$was_boot" != "$boot" ]; then state=reboot; return; fi
    alive=$(grep -lzsF -e "NPUDECK_JOB=$was_run." /proc/[0-9]*/environ 2>/dev/null | wc -l) || :
    if [ "$was_place" = "$place" ] && [ "$was_pids" != "$pids" ] && [ "$alive" -eq 0 ]; then state=restart
    elif [ $((now - was_beat)) -le "$was_ttl" ] && [ $((was_beat - now)) -le "$was_ttl" ]; then state=held
    elif [ "$alive" -gt 0 ]; then state=orphaned
    else state=silent; fi
}

say() {
    printf npudeck-lease
    printf '\\t%s' "$1" "$2" "$state" "$was_run" "$was_actor" "$was_since" "$was_place" \\
        "$((now - was_beat))" "$was_ttl" "$alive" "$was_why"
    echo
}

put() {
    new=$(mktemp "$root/.lease.XXXXXX")
    printf '%s\\n' "$run" "$actor" "$since" "$place" "$boot" "$pids" "$now" "$ttl" "$why" >"$new"
    chmod 644 "$new"
    sync "$new" 2>/dev/null || :
    mv -f "$new" "$root/leases/$1"
}

note() {
    case $2 in all) what="all NPUs";; *) what="NPU $2";; esac
    was="${was_actor:-nobody known}"
    case $1 in
        stolen) did="took $what from $was";;
        dropped) did="freed $what held by $was";;
        restored) did="gave $what back to $was";;
        expired) did="took $what, left over from $was";;
    esac
    printf '%s %s: %s %s: %s, %s; %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$actor" "$did" \\
        "${was_run:-?}" "$state" "${why:-no reason was given}" >>"$root/leases.log"
}

over() { case $state in reboot|restart|silent) return 0;; esac; return 1; }
"""
_COMMON = _WORDS + _LOCK + _TOOLS

# first look at all of them, then take all of them; who asked may have gone while this waited for the lock:
# then the line that it prints first finds nobody, and nothing is taken
TAKE = (
    _COMMON
    + """
printf 'npudeck-lease\\tbegun\\n'
refused=
for device; do
    for there in "$root"/leases/*; do
        [ -e "$there" ] || continue
        name=${there##*/}
        [ "$device" = all ] || [ "$name" = all ] || [ "$name" = "$device" ] || continue
        load "$name"
        [ "$was_run" = "$run" ] && [ "$state" != broken ] && continue
        if over || [ "$steal" = yes ]; then continue; fi
        say refused "$name"; refused=yes
    done
done
[ -z "$refused" ] || exit 0
rm -rf "$root/stolen/$run"
for device; do
    for there in "$root"/leases/*; do
        [ -e "$there" ] || continue
        name=${there##*/}
        [ "$device" = all ] || [ "$name" = all ] || [ "$name" = "$device" ] || continue
        load "$name"
        if [ "$was_run" = "$run" ] && [ "$state" != broken ] && ! over; then continue; fi
        say replaced "$name"
        if over; then note expired "$name"; rm -f "$there"; continue; fi
        note stolen "$name"
        mkdir -p "$root/stolen/$run/$since"
        mv -f "$there" "$root/stolen/$run/$since/$name"
    done
    put "$device"
done
printf 'npudeck-lease\\ttaken\\n'
"""
)

RENEW = (
    _COMMON
    + """
kept=
for there in "$root"/leases/*; do
    [ -e "$there" ] || continue
    name=${there##*/}
    load "$name"
    if [ "$was_run" != "$run" ]; then say other "$name"; continue; fi
    actor=$was_actor; since=$was_since; why=$was_why
    put "$name"; kept=yes
done
[ -z "$kept" ] || printf 'npudeck-lease\\ttaken\\n'
"""
)

# all of the run's, or of these only the NPUs that are named
DROP = (
    _COMMON
    + """
wanted=" $* "
rm -rf "$root/stolen/$run"
for there in "$root"/leases/*; do
    [ -e "$there" ] || continue
    name=${there##*/}
    case "$wanted" in "  "|*" $name "*) ;; *) continue ;; esac
    load "$name"
    if [ "$was_run" = "$run" ] || [ "$steal" = yes ]; then
        [ "$was_run" = "$run" ] || note dropped "$name"
        say dropped "$name"
        rm -f "$there"
    fi
done
printf 'npudeck-lease\\ttaken\\n'
"""
)

# of the run's the NPUs that are named; what that steal took from others is theirs again, as it was
UNDO = (
    _COMMON
    + """
for name; do
    [ -e "$root/leases/$name" ] || continue
    load "$name"
    [ "$was_run" = "$run" ] || continue
    say dropped "$name"
    rm -f "$root/leases/$name"
done
for there in "$root/stolen/$run/$since"/*; do
    [ -e "$there" ] || continue
    name=${there##*/}
    [ ! -e "$root/leases/$name" ] && [ ! -e "$root/leases/all" ] || continue
    mv -f "$there" "$root/leases/$name"
    load "$name"
    note restored "$name"
    say restored "$name"
done
rm -rf "$root/stolen/$run"
printf 'npudeck-lease\\ttaken\\n'
"""
)

LIST = (
    _WORDS
    + _THERE
    + _TOOLS
    + """
for there in "$root"/leases/*; do
    [ -e "$there" ] || continue
    name=${there##*/}
    load "$name"
    say there "$name"
done
printf 'npudeck-lease\\ttaken\\n'
"""
)


@dataclass(frozen=True, slots=True)
class Answer:
    """`done`: the node did what it was asked to. Leases by what was said of them: refused, replaced, other
    …
    """

    done: bool
    leases: tuple[tuple[str, Lease], ...]

    def said(self, word: str) -> tuple[Lease, ...]:
        return tuple(lease for key, lease in self.leases if key == word)


def words_of(
    root: str,
    run_key: str,
    place: str,
    ttl_s: int,
    actor: str,
    since: float,
    why: str,
    steal: bool,
    devices: Sequence[str],
) -> tuple[str, ...]:
    """The arguments of every script, in their order."""
    words = (
        root,
        _line(run_key),
        _line(place) or "host",
        str(ttl_s),
        _line(actor),
        f"{since:.0f}",
        _line(why),
    )
    return (*words, "yes" if steal else "no", *devices)


def parse_answer(text: str) -> Answer:
    """Whatever else stands in `text` (a login shell's greeting) is left out."""
    done, leases = False, []
    for line in text.splitlines():
        fields = line.split("\t")
        if fields[0] != "npudeck-lease":
            continue
        if fields[1:] == ["taken"]:
            done = True
        elif len(fields) == 12:
            leases.append((fields[1], _lease(fields[2:])))
    return Answer(done, tuple(leases))


def _lease(fields: list[str]) -> Lease:
    device, state, run_key, actor, since, place, quiet, ttl, alive, why = fields
    known = state if state in ("held", "orphaned", "reboot", "restart", "silent") else "broken"
    return Lease(
        device,
        run_key or "?",
        actor or "?",
        float(_number(since)),
        known,  # type: ignore[arg-type]
        _number(quiet),
        _number(alive),
        why,
        _number(ttl),
        place,
    )


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"-?[0-9]{1,15}", text.strip()) else 0


def _line(text: str) -> str:
    """On one line, without tabs: that is what parts fields."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
