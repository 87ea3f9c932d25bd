#!/bin/sh
# status.sh JOB: prints running, success or failed. A waiting job is running; an unknown one has failed.
case $(squeue --noheader --states=all --format=%T --jobs="$1" 2>/dev/null) in
    COMPLETED) echo success ;;
    PENDING | CONFIGURING | RUNNING | SUSPENDED | COMPLETING) echo running ;;
    *) echo failed ;;
esac
