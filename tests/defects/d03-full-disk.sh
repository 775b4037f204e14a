#!/bin/bash
# D03: a short job file or payload on a full disk is a failure.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
run bash -c 'fspl prepare -s sf > /dev/full'
is "prepare: exit status" "$RC" 1
says "prepare: message" 'No space left'
run bash -c 'fspl prepare-nop -s - > /dev/full'
is "prepare-nop: exit status" "$RC" 1
newq; pkt make --seq 1 --payload short > q/jobs/fspl-1.fspl
run bash -c 'fspl queue-payload -q q -j 1 > /dev/full'
is "queue-payload: exit status" "$RC" 1
run bash -c 'fspl queue-payload -q q -j 1 -d cat > /dev/full'
is "queue-payload with a decoder: exit status" "$RC" 1
run bash -c 'fspl stdin-payload < q/jobs/fspl-1.fspl > /dev/full'
is "stdin-payload: exit status" "$RC" 1
finish
