#!/bin/bash
# D21: an impossible time costs one file.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
pkt make --seq 3 --secs 9000000000000000000 > q/jobs/fspl-late.fspl
pkt make --seq 4 --secs -9000000000000000000 > q/jobs/fspl-early.fspl
pkt make --seq 5 --nanos 4000000000 > q/jobs/fspl-nanos.fspl
bounded 20 fspl queue-ls -q q
is "queue-ls: exit status" "$RC" 0
like "queue-ls: the others" "$OUT" 'fspl-2.fspl'
bounded 20 fspl queue-info -q q -j 1
is "queue-info: exit status" "$RC" 0
bounded 20 fspl queue-process -q q --order-by Timestamp --never-delete sh -- -c 'echo $FSPL_SEQ >> ran'
is "Timestamp: exit status" "$RC" 0
is "Timestamp: the others run" "$(grep -c '^[12]$' ran)" 2
bounded 20 fspl queue-process -q q true
is "Sequence: no crash" "$([ $RC -le 1 ] && cat q/nextseq)" 3
if ours; then lines "each is named" 2 'fspl-(late|early).fspl is skipped'; fi
finish
