#!/bin/sh
# cancel.sh JOB...: ends jobs, also those that still wait.
exec scancel "$@"
