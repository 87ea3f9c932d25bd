#!/bin/sh
# submit.sh SCRIPT: submits the script and prints the job's number, and nothing else. The script says what it asks for.
asked() { sed -n "s/^# properties = .*\"$1\": \([0-9][0-9]*\).*/\1/p" "$2"; }
exec sbatch --parsable --cpus-per-task="$(asked threads "$1")" --mem="$(asked mem_mb "$1")" --time="$(asked runtime "$1")" \
    --output=/dev/null "$1"
