#!/bin/bash
# D12: what cannot be written is noticed before the command runs.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
run fspl queue-process -q q sh -- -c 'rm q/nextseq'
is "nextseq removed by the command: exit status" "$RC" 1
is "nextseq removed by the command: the job stays" "$(there q/jobs/fspl-1.fspl) $(there q/nextseq)" "yes no"
if ours; then says "nextseq removed by the command: what it means" 'job 1 \(fspl-1.fspl\) succeeded, but .*run again: q/nextseq was removed'; fi
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
