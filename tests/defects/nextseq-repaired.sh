#!/bin/bash
# D16: an emptied or damaged nextseq is put right where the record of the last run leaves no doubt, and nowhere else.
# control: cannot be staged: fspl keeps no record of a run
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace
# killed_in_job [OPTION...]: job 1 is done, job 2 was running.
killed_in_job() {
  newq; jobs_ 1 2 3; rm -f begun ran
  fspl queue-process -q q "$@" sh -- -c '[ $FSPL_SEQ = 1 ] || { echo > begun; sleep 20; }' 2>/dev/null & local pid=$!
  wait_for begun; kill -KILL $pid; wait $pid 2>/dev/null; unlocked
}
# killed_at INJECTION: of a run of jobs 1 and 2, by strace.
killed_at() {
  newq; jobs_ 1 2; rm -f ran
  strace -qq -o /dev/null -e trace="${1%%:*}" -e inject="$1" fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran' >/dev/null 2>&1
  unlocked
}
go_on() { run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT >> ran'; }
# refused NAME: nobody can know the number; nothing runs, nothing is written.
refused() {
  cp q/nextseq before; go_on
  is "$1: exit status" "$RC" 1
  is "$1: nothing has run" "$(there ran)" no
  is "$1: left as it is" "$(cmp q/nextseq before && echo same)" same
  says "$1: told what to do" 'q/nextseq .*`penstock queue-set-next -q q N` sets it'
}

newq; [ "$(stat -c %W q/nextseq)" -gt 0 ] || { skip "all" "this file system does not tell when a file came into being"; finish; }
for damage in '' '\n' 'x234567890123\n' '\0\0'; do
  killed_in_job; printf -- "$damage" > q/nextseq
  go_on
  is "in flight, '$damage': the run goes on" "$RC $(tr '\n' ';' < ran)" "0 2 2;3 1;"
  is "in flight, '$damage': all done" "$(state)" "next=4 jobs="
  lines "in flight, '$damage': told" 1 'warning: q/nextseq was damaged; 2 is next, since job 2 \(fspl-2.fspl\) was in flight when the last run ended'
done
killed_at unlinkat:signal=KILL:when=1; : > q/nextseq
is "killed before the removal: staged" "$(files q/jobs)" "./fspl-1.fspl ./fspl-2.fspl"
rm ran; go_on
is "killed before the removal: job 1 does not run again" "$RC $(state) $(cat ran)" "0 next=3 jobs= 2 1"
says "killed before the removal: told" '2 is next, since job 1 \(fspl-1.fspl\) was done .*job 1 \(fspl-1.fspl\) was done before the crash; its file removed'
killed_at pwrite64:signal=KILL:when=5
is "killed before the commit: staged" "$(cat q/nextseq ran | tr '\n' ' ') $(grep -c ' done=1 ' q/nextseq.lock)" "1 1  1"
: > q/nextseq; rm ran; go_on
is "killed before the commit: job 1 does not run again" "$RC $(state) $(cat ran)" "0 next=3 jobs= 2 1"
newq; jobs_ 1; fspl queue-process -q q false 2>/dev/null; : > q/nextseq; rm -f ran; go_on
is "after a failure" "$RC $(state) $(cat ran)" "0 next=2 jobs= 1 2"

# Killed again while it repairs.
for at in pwrite64:signal=KILL:when=1 pwrite64:signal=KILL:when=2 fdatasync:signal=KILL:when=1 fdatasync:signal=KILL:when=2; do
  killed_in_job; : > q/nextseq
  strace -qq -o /dev/null -e trace="${at%%:*}" -e inject="$at" fspl queue-process -q q true >/dev/null 2>&1
  is "killed at $at while repairing: staged" "$?" 137
  unlocked; go_on
  is "killed at $at while repairing: the run goes on" "$RC $(state) $(tr '\n' ';' < ran)" "0 next=4 jobs= 2 2;3 1;"
done

killed_in_job; edit_record 's/ boot=\S+/ boot=another/'; : > q/nextseq
refused "after a power cut"
killed_in_job; : > q/nextseq; rm q/jobs/fspl-2.fspl
refused "somebody has taken the job"
for policy in '--on-error Leave' --never-delete; do
  killed_in_job $policy; : > q/nextseq
  refused "under $policy"
done
killed_in_job --order-by Timestamp; : > q/nextseq
refused "in order of time"
# As fspl does it. Here its inode may have the number of the first one again.
killed_in_job; for i in 1 2; do cp q/nextseq q/other; mv q/other q/nextseq; done; : > q/nextseq
refused "a nextseq that fspl has replaced"
# Job 2 in flight; then somebody goes on by hand, and a run that comes to nothing reads the new number.
killed_in_job; echo 3 > q/nextseq
strace -qq -o /dev/null -P q/jobs -e trace=getdents64 -e inject=getdents64:signal=KILL:when=1 fspl queue-process -q q true >/dev/null 2>&1
is "a run killed in its scan: staged" "$?" 137
unlocked; : > q/nextseq
refused "a run killed in its scan, after the number had been set"
killed_in_job; fspl queue-set-next -q q 2; : > q/nextseq
refused "without a record"
# Set back by hand, and damaged after that: what the record says is not certain any more.
newq; rm -f ran; jobs_ 1 2 3; fspl queue-process -q q -n 2 --never-delete true; fspl queue-process -q q false 2>/dev/null
echo 1 >q/nextseq; : >q/nextseq
fails "set back by hand and damaged: nothing is passed over" 1 fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "set back by hand and damaged: nothing runs" "$(there ran)" no
says "set back by hand and damaged: told" 'nextseq is empty'
# The same with a file that cannot be read: it may be an older job.
newq; rm -f ran; jobs_ 1; fspl queue-process -q q false 2>/dev/null; : >q/nextseq; echo junk >q/jobs/fspl-junk.fspl
fails "a file that cannot be read" 1 fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
rm q/jobs/fspl-junk.fspl
rc "without it: put right" fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
is "and run" "$(cat ran)" 1
finish
