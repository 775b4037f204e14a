#!/bin/bash
# D23: a FIFO in jobs/ stops nobody.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2; mkfifo q/jobs/fspl-0.fspl
bounded 5 fspl queue-ls -q q
is "queue-ls: exit status" "$RC" 0
like "queue-ls: the others" "$OUT" 'fspl-2.fspl'
bounded 5 fspl queue-info -q q -j 2
is "queue-info: exit status" "$RC" 0
bounded 5 fspl queue-process -q q true
is "queue-process: the others run" "$RC $(cat q/nextseq)" "0 3"
bounded 5 fspl queue-process -q q -d cat true
is "with a decoder: exit status" "$RC" 0
if ours; then says "named" 'fspl-0.fspl.*FIFO'; fi
newq; job 1; mkfifo q/jobs/fspl-1.fspl.out
bounded 5 fspl queue-process -q q --output-to SaveBoth sh -- -c 'echo ran > ran'
is "as the output of SaveBoth: exit status" "$RC" 1
is "as the output of SaveBoth: the command has not run" "$(there ran)" no
is "as the output of SaveBoth: the job stays" "$(state)" "next=1 jobs=fspl-1.fspl fspl-1.fspl.out"
newq; rm -f q/nextseq; mkfifo q/nextseq
bounded 5 fspl queue-get-next -q q
is "as nextseq: exit status" "$RC" 1
finish
