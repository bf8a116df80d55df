#!/bin/sh
# Frames of what a node says:  probe.sh INTERVAL_S COUNT [KIND=EVERY_S …]    (COUNT 0: until stdin ends, which is
# when ssh is gone). `npu-smi info` comes every INTERVAL_S, in frames of a line `npudeck-probe v=1 rc=<exit>
# n=<bytes>` and n bytes. Kinds that are named are asked for in the pauses, one question after another,
# each kind at most every EVERY_S seconds: `npudeck-probe v=2 kind=… npu=… chip=… phy=… rc=… n=…`.
# With COUNT 1 everything is asked for once.
# Asks only (`info` and `-g` forms, files that everybody may read); changes nothing on the node. Needs POSIX sh
# and head; `timeout` is used where there is one.
set -u
LC_ALL=C
# a login without a shell often lacks the sbin directories, where the driver's installer puts npu-smi
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/local/Ascend/driver/tools
export LC_ALL PATH
interval=${1:-5}
whole=${interval%%.*}
whole=${whole:-0}
count=${2:-0}
[ $# -gt 1 ] && shift 2 || shift $#
kinds=$*
most=262144
ascend=${ASCEND_ROOT:-/usr/local/Ascend}
queue=''
chips=''
listed=0
newline='
'

if ! command -v timeout >/dev/null; then
    # its own group: what the command has started holds our pipe as well
    group=''
    command -v setsid >/dev/null && group=setsid
    limited() {
        limit=$1
        shift
        $group "$@" &
        job=$!
        (
            exec >/dev/null 2>&1
            sleep "$limit"
            kill -9 "${group:+-}$job" || kill -9 "$job"
        ) &
        wait "$job"
        status=$?
        kill "$!" 2>/dev/null
        [ $status -ne 137 ] || status=124
        return $status
    }
else
    limited() { timeout -k 2 "$@"; }
fi

# run SECONDS COMMAND: `said` is what it said, at most $most bytes, with one newline at its end; `code` is how it
# ended (141: cut). With 0 the command is one of the functions below, which limit each of their parts.
run() {
    said=$({
        if [ "$1" = 0 ]; then "$2"; else limited "$@"; fi 2>&1 </dev/null
        printf 'rc=%s' $?
    } | head -c $most)
    case $said in
    *rc=[0-9] | *rc=[0-9][0-9] | *rc=[0-9][0-9][0-9])
        code=${said##*rc=}
        said=${said%rc=*}
        ;;
    *) code=141 ;;
    esac
    case $said in
    *"$newline$newline") said=$(printf %s "$said")$newline ;;
    *"$newline") ;;
    *) said=$said$newline ;;
    esac
}

send() {
    # bytes, because LC_ALL is C
    printf 'npudeck-probe %s %src=%s n=%s\n%s' "$1" "$2" "$code" ${#said} "$said"
}

frame() {
    run 10 npu-smi info
    # an older timeout knows no -k and says so in place of the answer: a trial of its own, at every question of
    # every node, would cost more than the table does
    case $code$said in
    1*BusyBox*'Usage: timeout '*)
        limited() { timeout "$@"; }
        run 10 npu-smi info
        ;;
    esac
    send v=1 ''
}

# words NPU:CHIP:PHYSICAL of the chips; a 950 has no chip of its own number and another hccn_tool (chip `-`)
list_chips() {
    run 10 npu-smi info -m
    layout=''
    chips=$(printf '%s\n' "$said" | while read -r npu b c d rest; do
        case "$npu $b $c $d $rest" in
        *'NPU ID'*'Slot ID'*) layout=slot ;;
        *'NPU ID'*'Phy-ID'*) layout=physical ;;
        *'NPU ID'*) layout=plain ;;
        esac
        case "$npu$c" in '' | *[!0-9]*) continue ;; esac
        case $layout in
        slot) printf '%s:-:%s ' "$npu" "${d%%[!0-9]*}" ;;
        physical) printf '%s:%s:%s ' "$npu" "$b" "${d%%[!0-9]*}" ;;
        plain) printf '%s:%s:%s ' "$npu" "$b" "$npu" ;;
        esac
    done)
}

# only these questions exist, and each of them only reads
ask() {
    case $1 in
    health | common | usages | ecc | memory | hccs | sio-info | pcie-err)
        if [ "$3" = - ]; then
            run 5 npu-smi info -t "$1" -i "$2"
            if [ "$1" = health ]; then
                send v=2 "kind=$1 npu=$2 chip=$3 phy=$4 "
                run 5 npu-smi info -t current-fault-event -i "$2"
                set -- current-fault-event "$2" "$3" "$4"
            fi
        else
            run 5 npu-smi info -t "$1" -i "$2" -c "$3"
        fi
        ;;
    link | net_health | link_stat | optical | stat | fec | tls | ip | lldp)
        if [ "$3" != - ]; then
            run 5 hccn_tool -i "$4" "-$1" -g
        elif [ "$1" = link ]; then
            run 5 hccn_tool -g -ub_connect -i "$2"
        else
            return
        fi
        ;;
    host | versions) run 0 "$1" ;;
    *) return ;;
    esac
    send v=2 "kind=$1 npu=$2 chip=$3 phy=$4 "
}

part() {
    printf '[%s]\n' "$1"
    shift
    limited "$@" 2>/dev/null </dev/null | head -c 32768
    printf '\n'
}

host() {
    part loadavg 2 cat /proc/loadavg
    part cpus 2 getconf _NPROCESSORS_ONLN
    part stat 2 head -n 1 /proc/stat
    part meminfo 2 head -n 5 /proc/meminfo
    part boot 2 cat /proc/sys/kernel/random/boot_id
    part zone 2 date +%z
    # a dead network file system hangs here, and then nothing is said of the disks
    part disks 3 df -P -k
    if command -v chronyc >/dev/null; then
        part chrony 2 chronyc -n tracking
    elif command -v ntpq >/dev/null; then
        part ntpq 2 ntpq -pn
    elif command -v timedatectl >/dev/null; then
        part timedatectl 2 timedatectl show
    fi
    printf '[pci]\n'
    for device in /sys/bus/pci/devices/*; do
        read -r vendor <"$device/vendor" && read -r class <"$device/class" && printf '%s %s\n' "$vendor" "$class"
    done 2>/dev/null
    printf '[davinci]\n'
    for device in /dev/davinci[0-9]*; do
        [ -e "$device" ] && printf '%s\n' "$device"
    done
    return 0
}

versions() {
    for name in driver firmware; do
        [ -r "$ascend/$name/version.info" ] && part $name 2 cat "$ascend/$name/version.info"
    done
    # since CANN 8.5 it is another directory; of several the last one counts
    for file in "$ascend"/ascend-toolkit/latest/*/ascend_toolkit_install.info \
        "$ascend"/cann/*/ascend_toolkit_install.info; do
        [ -r "$file" ] && part cann 2 cat "$file"
    done
    command -v docker >/dev/null && part docker 3 docker version --format '{{.Server.Version}}'
    command -v python3 >/dev/null && part torch_npu 4 python3 -c \
        'import importlib.metadata as m; print(m.version("torch_npu"))'
    part kernel 2 uname -r
    return 0
}

# put the kinds that are due into the queue, chip by chip
fill() {
    now=$(date +%s)
    for word in $kinds; do
        kind=${word%%=*}
        every=${word#*=}
        case $kind in '' | *[!a-z_-]*) continue ;; esac
        case $every in '' | *[!0-9]*) continue ;; esac
        name=due_$(printf %s "$kind" | tr - _)
        eval "due=\${$name:-0}"
        [ "$due" -le "$now" ] || continue
        eval "$name=$((now + every))"
        case $kind in
        host | versions)
            queue="$queue $kind:-:-:-"
            continue
            ;;
        link | net_health | link_stat | optical | stat | fec | tls | ip | lldp)
            command -v hccn_tool >/dev/null || continue
            ;;
        esac
        if [ "$listed" -le "$now" ]; then
            list_chips
            # cards come and go; where there is none, a driver may still be starting
            listed=$((now + (${#chips} > 0 ? 300 : 30)))
        fi
        for chip in $chips; do
            queue="$queue $kind:$chip"
        done
    done
}

# ask what is in the queue, until `until` (epoch s): the table of all cards must not wait for a slow question
work() {
    until=$1
    [ -n "$queue" ] || fill
    while [ -n "$queue" ]; do
        # shellcheck disable=SC2086
        set -- $queue
        IFS=: read -r kind npu chip phy <<END
$1
END
        shift
        queue=$*
        ask "$kind" "$npu" "$chip" "$phy"
        [ "$(date +%s)" -lt "$until" ] || return 0
    done
}

frames() {
    true &
    asleep=''
    # $! and not a variable: the signal may come between the start of sleep and an assignment
    trap '[ -n "$asleep" ] && kill "$!" 2>/dev/null; exit 0' TERM
    began=$(date +%s)
    while frame; do
        pause=$interval
        if [ -n "$kinds" ]; then
            work $((began + whole))
            left=$((began + whole - $(date +%s)))
            [ "$left" -ge "$whole" ] || pause=$((left > 0 ? left : 0))
            said='' code=0
            send v=2 "kind=pause npu=$pause chip=- phy=- "
        fi
        asleep=yes
        sleep "$pause" &
        wait "$!"
        asleep=''
        began=$(date +%s)
    done
}

if [ "$count" -gt 0 ]; then
    while frame; do
        # everything once: a second round would find nothing due
        [ -z "$kinds" ] || work 99999999999
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
