#!/bin/sh
# submit.sh THREADS MEM_MB MINUTES SCRIPT: submits the script and prints the job's number, and nothing else.
exec sbatch --parsable --cpus-per-task="$1" --mem="$2" --time="$3" --output=/dev/null "$4"
