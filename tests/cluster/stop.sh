#!/usr/bin/env bash
# Ends the Slurm that tests/cluster/start.sh started, with its jobs, and removes its files. Does nothing where there is none.
set -uo pipefail

state=${BENCH_SLURM_STATE:-/tmp/bench-slurm}
conf=/etc/slurm/slurm.conf
mark="# made by tests/cluster/start.sh"

[[ -e $conf ]] && head -n 1 "$conf" | grep -qxF "$mark" || exit 0

end() { # PIDFILE PROGRAM: end the process if it still is that program
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$2" ]] || return 0
    kill "$pid"
    for _ in $(seq 100); do
        [[ -d /proc/$pid ]] || return 0
        sleep 0.1
    done
    kill -9 "$pid"
}

scancel --full --partition=main 2>/dev/null
for _ in $(seq 100); do
    [[ -z $(squeue -h 2>/dev/null) ]] && break
    sleep 0.1
done
end "$state/slurmd.pid" slurmd
end "$state/slurmctld.pid" slurmctld
end "$state/munge/pid" munged
rm -rf "$state" "$conf"
