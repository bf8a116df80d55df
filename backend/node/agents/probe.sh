#!/bin/sh
# Frames of `npu-smi info`:  probe.sh INTERVAL_S COUNT    (COUNT 0: until stdin ends, which is when ssh is gone)
# A frame is one line `npudeck-probe v=1 t=<epoch> rc=<exit> n=<bytes>` and n bytes of what npu-smi said.
# Asks only; changes nothing on the node. Needs POSIX sh; `timeout` is used where there is one.
set -u
LC_ALL=C
# a login without a shell often lacks the sbin directories, where the driver's installer puts npu-smi
PATH=$PATH:/usr/local/sbin:/usr/sbin:/usr/local/bin
export LC_ALL PATH
interval=${1:-5}
count=${2:-0}
limit=''
command -v timeout >/dev/null && limit='timeout 10'

frame() {
    said=$($limit npu-smi info 2>&1 </dev/null)
    code=$?
    # the shell drops the newlines at the end; one is put back
    printf 'npudeck-probe v=1 t=%s rc=%s n=%s\n%s\n' "$(date +%s)" $code $((${#said} + 1)) "$said"
}

frames() {
    true &
    asleep=''
    # $! and not a variable: the signal may come between the start of sleep and an assignment
    trap '[ -n "$asleep" ] && kill "$!" 2>/dev/null; exit 0' TERM
    while frame; do
        asleep=yes
        sleep "$interval" &
        wait "$!"
        asleep=''
    done
}

if [ "$count" -gt 0 ]; then
    while frame; do
        count=$((count - 1))
        [ "$count" -gt 0 ] || exit 0
        sleep "$interval"
    done
    exit 1
fi
frames &
loop=$!
cat >/dev/null
kill -TERM "$loop" 2>/dev/null
wait "$loop"
