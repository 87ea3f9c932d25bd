#!/bin/sh
# status.sh JOB: prints running, success or failed. A waiting job is running, and so is one that Slurm does not answer
# about; one that it does not know has failed.
ask() { squeue --noheader --states=all --format=%T --jobs="$1"; }
state=$(ask "$1" 2>/dev/null) || state=$(ask "$1" 2>&1) || state="no answer: $state"
case $state in
    COMPLETED) echo success ;;
    BOOT_FAIL | CANCELLED* | DEADLINE | FAILED | LAUNCH_FAILED | NODE_FAIL | OUT_OF_MEMORY | PREEMPTED | REVOKED | TIMEOUT)
        echo failed ;;
    "" | *"Invalid job id"*) echo failed ;;
    *) echo running ;;
esac
