#!/bin/sh
# Detached jobs by id: they outlive the connection that started them, and their exit code is never lost.
#
#   job.sh start  ROOT ID [-C DIR] [-e NAME=VALUE]... -- PROGRAM [ARGUMENT]...
#   job.sh status ROOT ID
#   job.sh stop   ROOT ID [GRACE_S]     TERM, after GRACE_S (30) KILL, then whatever still carries the mark
#   job.sh procs  ROOT ID               process ids of the job, one a line
#
# start, status and stop print one line:
#   running pid=P pgid=P t=T[ unsupervised] | exited code=N sig=S t=T[ why=W] | lost why=W | starting | exiting | none
# with ` left=N` behind it when N processes could not be killed.
#
# ROOT/ID holds lock/ (made by the one start that counts), cmd, out.log, pid, exit, supervisor.log.
# The supervisor has a session of its own, so that a signal for the job never hits the one who records its end.
# Needs POSIX sh, setsid (util-linux), grep -z and /proc; no Python, no systemd.
set -u
LC_ALL=C
export LC_ALL

usage() {
    sed -n '4,7s/^#  *//p' "$0" >&2
    exit 2
}

complain() {
    echo "job.sh: $1" >&2
    exit 2
}

# ---- who is who: a process id means something only with its start time, this boot and this container --------

# /proc/PID/stat from the state on; the name before it may hold blanks and parentheses
stat_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null; }

started_at() { stat_of "$1" | cut -d' ' -f20; }

# a container that is restarted gets the same namespace number again, but its first process is another one
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
here=$boot:$(readlink /proc/self/ns/pid 2>/dev/null):$(started_at 1)

# alive PID START: still the process that started then, and not a zombie
alive() {
    [ -n "$1" ] && [ "$owner" = "$here" ] || return 1
    wanted=$2
    # shellcheck disable=SC2046 # fields are wanted
    set -- $(stat_of "$1")
    [ $# -ge 20 ] || return 1
    case $1 in Z | X) return 1 ;; esac
    [ "${20}" = "$wanted" ]
}

job_alive() { alive "$job" "$job_start"; }

supervisor_alive() { alive "$supervisor" "$supervisor_start"; }

read_pid() {
    job='' job_start='' supervisor='' supervisor_start='' since='' owner=''
    [ -f "$dir/pid" ] && read -r job job_start supervisor supervisor_start since owner <"$dir/pid"
}

# put NAME TEXT: the file is there whole or not at all
put() {
    printf '%s\n' "$2" >"$dir/.$1.$$" || return 1
    sync "$dir/.$1.$$" 2>/dev/null
    mv -f "$dir/.$1.$$" "$dir/$1"
}

# ---- the words ----------------------------------------------------------------------------------------------

print_status() {
    [ -d "$dir/lock" ] || { echo none; return; }
    [ -f "$dir/exit" ] && { echo "exited $(cat "$dir/exit")"; return; }
    read_pid
    if [ -z "$job" ]; then
        age=$(($(date +%s) - $(stat -c %Y "$dir/lock")))
        if [ "$age" -lt 10 ]; then echo starting; else echo "lost why=never-started"; fi
    elif job_alive; then
        if supervisor_alive; then note=''; else note=' unsupervised'; fi
        echo "running pid=$job pgid=$job t=$since$note"
    elif supervisor_alive; then
        sleep 0.2
        if [ -f "$dir/exit" ]; then echo "exited $(cat "$dir/exit")"; else echo exiting; fi
    elif [ -f "$dir/exit" ]; then
        echo "exited $(cat "$dir/exit")"
    elif [ "$owner" = "$here" ]; then
        echo "lost why=supervisor-killed"
    else
        case $owner in
        "$boot":*) echo "lost why=container" ;;
        *) echo "lost why=reboot" ;;
        esac
    fi
}

# every live process that carries the mark, and those of the job's session that dropped it
print_procs() {
    read_pid
    (
        cd /proc || exit
        grep -lzsxF -e "$mark" -- [0-9]*/environ
        if [ -n "$job" ] && [ "$owner" = "$here" ]; then
            # another process with the leader's number: then its session is not ours
            if [ ! -d "$job" ] || [ "$(started_at "$job")" = "$job_start" ]; then
                grep -lsE "\\) [^ZX] [0-9]+ [0-9]+ $job " -- [0-9]*/stat
            fi
        fi
    ) | sed 's|/.*||' | sort -un | grep -vx "$$"
}

# ---- start --------------------------------------------------------------------------------------------------

check_start() {
    command -v setsid >/dev/null || complain "setsid (util-linux) is missing"
    while [ $# -gt 0 ]; do
        case $1 in
        --) [ $# -gt 1 ] || usage; return ;;
        -C) [ $# -gt 2 ] || usage ;;
        -e) case ${2%%=*} in '' | [0-9]* | *[!A-Za-z0-9_]*) complain "bad variable: ${2%%=*}" ;; esac
            case $2 in *=*) ;; *) complain "bad variable: $2" ;; esac ;;
        *) usage ;;
        esac
        shift 2
    done
    usage
}

start() {
    check_start "$@"
    mkdir -p "$dir" || exit 2
    mkdir "$dir/lock" 2>/dev/null || { print_status; return; }
    # values go by the environment: the supervisor's own words can be read by every user of the machine
    words=$# kind=option
    while [ $words -gt 0 ]; do
        case $kind:$1 in
        option:--) kind=plain next=-- ;;
        option:-e) kind=variable next=-e ;;
        option:-C) kind=directory next=-C ;;
        variable:*) kind=option next=${1%%=*}; export "NPUDECK_ENV_$1" ;;
        directory:*) kind=option next=$1 ;;
        *) next=$1 ;;
        esac
        shift
        set -- "$@" "$next"
        words=$((words - 1))
    done
    setsid sh "$0" supervise "$root" "$id" "$@" </dev/null >>"$dir/supervisor.log" 2>&1 &
    tries=0
    while [ ! -f "$dir/pid" ] && [ ! -f "$dir/exit" ] && [ $tries -lt 250 ]; do
        sleep 0.02
        tries=$((tries + 1))
    done
    print_status
}

# runs in a session of its own until the job has ended, and writes down how
supervise() {
    trap '' HUP INT TERM QUIT
    (
        trap - HUP INT TERM QUIT
        exec setsid sh "$0" become "$root" "$id" "$$" "$(started_at $$)" "$@"
    ) >>"$dir/out.log" 2>&1
    code=$?
    signal=0
    [ $code -gt 128 ] && signal=$((code - 128))
    ended=$(date +%s)
    # a full disk is a usual end of a training run: wait for room rather than forget the exit code
    until put exit "code=$code sig=$signal t=$ended"; do
        [ -d "$dir" ] || exit 1
        sleep 5
    done
}

# the process that turns into the program; its number is on disk before it does
become() {
    supervisor=$1 supervisor_start=$2
    shift 2
    put pid "$$ $(started_at $$) $supervisor $supervisor_start $(date +%s) $here" || exit 126
    cd "$HOME" 2>/dev/null || cd /
    while [ "$1" != -- ]; do
        case $1 in
        -C) cd "$2" || exit 126 ;;
        -e) eval "export $2=\"\$NPUDECK_ENV_$2\"; unset NPUDECK_ENV_$2" ;;
        esac
        shift 2
    done
    shift
    printf '%s\n' "$*" >"$dir/cmd"
    export "$mark"
    exec "$@"
}

# ---- stop ---------------------------------------------------------------------------------------------------

stop() {
    grace=${1:-30}
    case $grace in '' | *[!0-9]*) complain "bad grace: $grace" ;; esac
    trap '' HUP PIPE
    tries=0
    before=$(print_status)
    while [ "$before" = starting ] && [ $tries -lt 120 ]; do
        sleep 0.1
        tries=$((tries + 1))
        before=$(print_status)
    done
    [ "$before" = none ] && { echo none; return; }
    read_pid
    end_job
    sweep
    tries=0
    while [ ! -f "$dir/exit" ] && supervisor_alive && ! job_alive && [ $tries -lt 50 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    case $before in *unsupervised)
        # nobody saw how it ended, but it was us who ended it
        [ -f "$dir/exit" ] || job_alive || put exit "code=137 sig=9 t=$(date +%s) why=stopped-unsupervised" ;;
    esac
    echo "$(print_status)$left"
}

# the group is signalled only while its leader is provably ours
end_job() {
    job_alive && kill -TERM "-$job" 2>/dev/null
    tries=0
    while job_alive && [ $tries -lt $((grace * 10)) ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    job_alive && kill -KILL "-$job" 2>/dev/null
}

# workers of torch have sessions of their own and outlive a killed launcher: they are found by the mark
sweep() {
    left='' tries=0
    while [ $tries -lt 30 ]; do
        found=$(print_procs)
        [ -n "$found" ] || return
        # shellcheck disable=SC2086 # one argument a process
        kill -KILL $found 2>/dev/null
        sleep 0.1
        tries=$((tries + 1))
    done
    found=$(print_procs)
    [ -z "$found" ] || left=" left=$(echo "$found" | wc -l | tr -d ' ')"
}

# ---- the command line ---------------------------------------------------------------------------------------

[ $# -ge 3 ] || usage
operation=$1 root=$2 id=$3
shift 3
case $root in /*[!/]*) ;; *) complain "ROOT must be an absolute path" ;; esac
case $id in '' | .* | *[!A-Za-z0-9._-]*) complain "bad id: $id" ;; esac
dir=$root/$id
mark=NPUDECK_JOB=${root##*/}.$id

case $operation in
start) start "$@" ;;
status) print_status ;;
stop) stop "$@" ;;
procs) print_procs; exit 0 ;;
supervise) supervise "$@" ;;
become) become "$@" ;;
*) usage ;;
esac
