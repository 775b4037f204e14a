#!/bin/bash
# D17: a queue whose nextseq is missing does not start from 1 by itself; a sender's file is still created.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1; rm q/nextseq
run fspl queue-process -q q --never-delete sh -- -c 'echo ran > ran'
is "queue-process: exit status" "$RC" 1
is "queue-process: nothing has run" "$(there ran)" no
says "queue-process: says what is missing and what helps" 'q/nextseq is missing.*queue-set-next'
fails "queue-get-next" 1 fspl queue-get-next -q q
is "not created" "$(there q/nextseq)" no
rc "queue-set-next" fspl queue-set-next -q q 4
is "queue-set-next creates it" "$(cat q/nextseq)" 4
rm q/nextseq; job 1
run fspl queue-process -q q --order-by Timestamp true
is "Timestamp does not need it" "$RC $(there q/nextseq)" "0 no"
is "a sender's file is created" "$(fspl prepare-get-next -s sf) $(cat sf)" "1 1"
if ours; then
  rc "queue-init --repair" fspl queue-init -q q --repair
  is "queue-init --repair creates it" "$(cat q/nextseq)" 1
fi
finish
