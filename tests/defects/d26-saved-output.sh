#!/bin/bash
# D26: SaveBoth keeps the output of earlier attempts.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
run fspl queue-process -q q --output-to SaveBoth sh -- -c 'echo first; echo first error >&2; exit 1'
run fspl queue-process -q q --output-to SaveBoth sh -- -c 'echo second'
is "both are there" "$(grep -v '^---' q/jobs/fspl-1.fspl.out | tr '\n' ' ')" "first first error second "
if ours; then
  is "a line between" "$(grep -c '^--- attempt 2, 20' q/jobs/fspl-1.fspl.out)" 1
  like "the first line is output" "$(head -1 q/jobs/fspl-1.fspl.out)" '^first$'
fi
finish
