#!/usr/bin/env bash
# Starts a real Slurm of one node, this machine, for tests: munged, slurmctld, slurmd, no accounting database.
#   tests/cluster/start.sh        as root; needs Debian's munge, slurmctld, slurmd, slurm-client
#   tests/cluster/stop.sh         ends it and removes its files
# The configuration has to be /etc/slurm/slurm.conf, since Snakemake's plugin drops SLURM_CONF. A configuration that is
# there already is somebody else's, and left alone.
set -euo pipefail

state=${BENCH_SLURM_STATE:-/tmp/bench-slurm}
conf=/etc/slurm/slurm.conf
mark="# made by tests/cluster/start.sh"

[[ $(id -u) == 0 ]] || { echo "not root: a Slurm cannot be started" >&2; exit 3; }
for program in munged slurmctld slurmd sbatch squeue scancel srun; do
    command -v "$program" >/dev/null || { echo "$program is missing: install munge slurmctld slurmd slurm-client" >&2; exit 3; }
done
if [[ -e $conf ]] && ! head -n 1 "$conf" | grep -qxF "$mark"; then
    echo "$conf is there already: this machine belongs to another Slurm" >&2
    exit 3
fi
"$(dirname "${BASH_SOURCE[0]}")/stop.sh"

host=$(hostname -s)
mkdir -p "$state"/{ctld,d,munge} /etc/slurm
chmod 755 "$state" "$state"/*
head -c 1024 /dev/urandom >"$state/munge/key"
chmod 600 "$state/munge/key"

# MinJobAge: finished jobs are asked for with squeue, so they have to stay. OverMemoryKill: without control groups the
# only way to end a job above its memory; it looks every second. config_overrides: a small machine may promise more.
cat >"$conf" <<CONF
$mark
ClusterName=bench
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$state/munge/socket
CredType=cred/munge
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/d
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobRequeue=0
KillWait=5
MinJobAge=86400
MaxJobCount=20000
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,defer
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(env -u OMP_NUM_THREADS nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

munged --force --key-file "$state/munge/key" --socket "$state/munge/socket" --pid-file "$state/munge/pid" \
    --log-file "$state/munge/log" --seed-file "$state/munge/seed"
slurmctld -c
slurmd -c
for _ in $(seq 300); do
    [[ $(sinfo -h -o %T 2>/dev/null) == idle ]] && exit 0
    sleep 0.1
done
echo "Slurm does not come up; see the logs in $state" >&2
tail -n 5 "$state"/*.log "$state/munge/log" >&2
exit 1
