#!/bin/bash
# D39, in part (a seal comes later): a plain job file that is cut while it is read is a failed job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; packet_of 'payload => "x" x 3000000' > q/jobs/fspl-1.fspl
cut='head -c 10 > /dev/null; truncate -s 2000000 q/jobs/fspl-1.fspl; cat > part; echo end > committed'
bounded 20 fspl queue-process -q q sh -- -c "$cut"
is "exit status" "$RC" 1
is "not done" "$(cat q/nextseq)" 1
is "the command has not seen the end" "$(there committed)" no
packet_of 'payload => "x" x 3000000' > q/jobs/fspl-1.fspl
rm -f committed
bounded 20 fspl queue-process -q q -n 1 sh -- -c 'cat > all; echo end > committed'
is "a whole one is done" "$(there committed) $(stat -c %s all)" "yes 3000000"
if ours; then skip "a file that was cut before it came" "needs the seal of a later part"; fi
finish
