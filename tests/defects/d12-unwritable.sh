#!/bin/bash
# D12: what cannot be written is noticed before the command runs.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
let_nobody_in
stage() { newq; jobs_ 1 2; rm -f ran; chmod 777 q q/jobs "$W"; chmod 666 q/nextseq q/nextseq.lock; "$@"
  run as_nobody fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'; }
stage true
is "as nobody, all writable: exit status" "$RC" 0
stage chmod 644 q/nextseq; stagerc=$RC
is "nextseq: exit status" "$stagerc" 1
is "nextseq: the command has not run" "$(there ran)" no
says "nextseq: named" 'nextseq.*Permission denied'
stage chmod 555 q/jobs
is "jobs: exit status" "$RC" 1
is "jobs: the command has not run" "$(there ran)" no
says "jobs: named" 'jobs.*Permission denied'
stage chmod 1777 q/jobs
is "sticky jobs, another's file: exit status" "$RC" 1
is "sticky jobs, another's file: the command has not run" "$(there ran)" no
finish
