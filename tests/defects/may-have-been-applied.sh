#!/bin/bash
# A job that failed after its command had succeeded: told, and two ways to go on.
# control: cannot be staged: fspl takes it for a success
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
late='cat; exec 1>&-; sleep 0.5; exit 1'
newq; job 1
run fspl queue-process -q q -d "$late" --gate off sh -- -c 'cat >> applied'
is "the job has failed" "$RC $(state)" "1 next=1 jobs=fspl-1.fspl"
is "the command has acted" "$(cat applied)" pay1
says "told" 'job 1 \(fspl-1.fspl\) failed: .*1.*the command had said success before that, so the job may have been applied'
run fspl queue-process -q q --idempotent-check 'echo "$FSPL_SEQ $PENSTOCK_ATTEMPT" >> checked; exit 1' sh -- -c 'cat >> applied; exit 4'
is "a check that says no: it runs again" "$(cat checked) $(tr '\n' ' ' < applied)" "1 2 pay1 pay1 "
run fspl queue-process -q q --idempotent-check 'grep -q pay1 applied' sh -- -c 'cat >> applied'
is "a check that says yes: done without running" "$RC $(state) $(wc -l < applied)" "0 next=2 jobs= 2"
says "and told, by name" 'job 1 \(fspl-1.fspl\): already applied'
for check in no-such-check 'exit 126' 'kill -KILL $$'; do
  newq; job 1; rm -f applied
  run fspl queue-process -q q sh -- -c 'cat >> applied; exit 1'
  run fspl queue-process -q q --on-error Delete --idempotent-check "$check" sh -- -c 'cat >> applied'
  is "a check that cannot be made ($check): the job does not run" "$RC $(state) $(wc -l < applied)" "1 next=1 jobs=fspl-1.fspl 1"
  says "a check that cannot be made ($check): told" 'job 1 \(fspl-1.fspl\): .*nobody knows: the check \(--idempotent-check\) (exited 12[67]|was killed by SIGKILL)'
done
newq; job 1; rm checked
run fspl queue-process -q q --idempotent-check 'echo x >> checked' true
is "a first attempt is not checked" "$RC $(there checked)" "0 no"
newq; job 1
run fspl queue-process -q q -d 'cat; sleep 0.2' --idempotent-check true false
run fspl queue-process -q q -d 'cat; sleep 30' --idempotent-check true false
is "behind a decoder" "$RC $(state)" "0 next=2 jobs="
newq; job 1
run fspl queue-process -q q --already-done-status 9 sh -- -c 'exit 9'
is "--already-done-status" "$RC $(state)" "0 next=2 jobs="
says "--already-done-status: told, with the job" 'job 1 \(fspl-1.fspl\): the command exited 9, so the job was done before'
newq; job 1
run fspl queue-process -q q --already-done-status 9 sh -- -c 'exit 8'
is "another status" "$RC" 1
newq; job 1
run fspl queue-process -q q -d 'cat; sleep 0.2; exit 1' --already-done-status 9 sh -- -c 'exit 9'
is "--already-done-status does not excuse the decoder" "$RC $(state)" "1 next=1 jobs=fspl-1.fspl"
newq; head -c 300000 /dev/urandom >big
fspl prepare -s altered.seq -i big --seal >q/jobs/fspl-1.fspl
printf X | dd of=q/jobs/fspl-1.fspl bs=1 seek=200000 conv=notrunc 2>/dev/null
printf Y | dd of=q/jobs/fspl-1.fspl bs=1 seek=200001 conv=notrunc 2>/dev/null
run fspl queue-process -q q --already-done-status 9 sh -- -c 'head -c 10 >/dev/null; exit 9'
is "--already-done-status does not excuse a broken seal" "$RC $(state)" "1 next=1 jobs=fspl-1.fspl"
says "the seal is named" 'the payload is altered'
newq; job 1
run fspl queue-process -q q sh -- -c 'exit 75'
is "none by default" "$RC" 1
fails "0 is refused" 2 fspl queue-process -q q --already-done-status 0 true
finish
