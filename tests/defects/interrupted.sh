#!/bin/bash
# A run that a signal ends says so, and which job was running.
# control: cannot be staged: the words are ours
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
started() { perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$@" <&0 2> "$TMP/err" & pid=$!; }
ended_by() { kill -"$1" $pid; wait $pid; RC=$?; }
for signal in TERM INT HUP; do
  newq; jobs_ 1 2; rm -f begun
  started fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ > begun; exec sleep 20'
  wait_for begun; ended_by $signal
  is "$signal: it ends by it" "$RC" $((128 + $(kill -l $signal)))
  says "$signal: told, with the job" "^penstock queue-process: ended by SIG$signal; job 1 \\(fspl-1.fspl\\) was running and will run again $"
  is "$signal: and so it is" "$(state)" "next=1 jobs=fspl-1.fspl fspl-2.fspl"
done
newq; job 1; rm -f begun
started fspl queue-process -q q -d 'echo x > begun; exec sleep 20' true
wait_for begun; ended_by TERM
is "while headers are read: it ends by it" "$RC" 143
says "while headers are read: told" '^penstock queue-process: ended by SIGTERM; no job was running $'
rm -f begun; started fspl stdin-process sh -- -c 'echo x > begun; exec sleep 20' < q/jobs/fspl-1.fspl
wait_for begun; ended_by TERM
is "stdin-process: it ends by it" "$RC" 143
says "stdin-process: told" 'ended by SIGTERM; job 1 \(standard input\) was running $'
finish
