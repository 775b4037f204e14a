#!/bin/bash
# D44: a message names job, file and plain status.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
run fspl queue-process -q q sh -- -c 'exit 3'
says "an exit status" 'job 1 \(fspl-1.fspl\).*(exit|status|exited)[a-z ]* 3'
lines "in one line" 1 .
run fspl queue-process -q q sh -- -c 'kill -SEGV $$'
says "a signal" 'job 1 \(fspl-1.fspl\).*SIGSEGV'
says_not "no raw status" '768|35584|\b139\b'
if ours; then
  run fspl queue-process -q q sh -- -c 'exit 3'
  says "what becomes of it, and which attempt it was" 'stays and blocks the queue.*attempt 3'
  newq; job 1; run fspl queue-process -q q --on-error Delete false
  says "Delete" 'job 1 \(fspl-1.fspl\).*removed'
  newq; job 1; run fspl queue-process -q q --on-error Leave false
  says "Leave" 'job 1 \(fspl-1.fspl\).*stays'
  newq; pkt make --seq 1 --type Fail > q/jobs/fspl-1.fspl; run fspl queue-process -q q true
  says "a Fail packet" 'job 1 \(fspl-1.fspl\).*prepare-fail'
  newq; job 1
  run fspl queue-process -q q -d 'sh -c "cat; echo bad key >&2; exit 2"' cat
  says "a decoder: its status and its words" 'job 1 \(fspl-1.fspl\).* 2.*bad key'
  printf "#!/bin/sh\ncat; echo why >&2; exit 2\n" > bad; chmod +x bad
  run fspl queue-process -q q -d "bash -c './bad 2>/dev/null | cat'" cat
  says "a decoder sent to /dev/null: says so" '/dev/null'
  newq; job 1; run fspl queue-process -q q --timeout 1 sleep -- 20
  says "a time limit" 'job 1 \(fspl-1.fspl\).*1 s'
fi
finish
