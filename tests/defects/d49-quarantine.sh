#!/bin/bash
# D49: a job that fails too often is moved aside, with a report.
# control: cannot be staged: fspl knows no such policy; that it lacks one is the defect
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2 3
run fspl queue-process -q q --on-error quarantine sh -- -c 'echo $FSPL_SEQ >> ran; [ $FSPL_SEQ != 2 ]'
is "exit status" "$RC" 0
is "the others run" "$(tr '\n' ' ' < ran)" "1 2 3 "
is "the queue is empty" "$(state)" "next=4 jobs="
is "file and report" "$(ls q/penstock/quarantine | tr '\n' ' ')" "fspl-2.fspl fspl-2.fspl.report "
is "the file is whole" "$(fspl stdin-payload < q/penstock/quarantine/fspl-2.fspl)" pay2
like "the report" "$(tr '\n' ' ' < q/penstock/quarantine/fspl-2.fspl.report)" 'job: 2 file: fspl-2.fspl .*attempts: 1 .*reason: .*1'
says "told where it is" 'job 2 \(fspl-2.fspl\).*q/penstock/quarantine/fspl-2.fspl'
is "for this user only" "$(stat -c %a q/penstock/quarantine q/penstock/quarantine/fspl-2.fspl.report | tr '\n' ' ')" "700 600 "
newq; jobs_ 1 2; rm -f ran
for want in 1 1 0; do
  run fspl queue-process -q q --on-error quarantine --max-attempts 3 sh -- -c 'echo $FSPL_SEQ $PENSTOCK_ATTEMPT >> ran; [ $FSPL_SEQ != 1 ]'
  is "--max-attempts 3: exit status" "$RC" "$want"
done
is "--max-attempts 3: attempts" "$(tr '\n' ';' < ran)" "1 1;1 2;1 3;2 1;"
is "--max-attempts 3: then aside" "$(state) $(there q/penstock/quarantine/fspl-1.fspl)" "next=3 jobs= yes"
newq; job 1; mkdir -p q/penstock/quarantine; echo older > q/penstock/quarantine/fspl-1.fspl
run fspl queue-process -q q --on-error quarantine false
is "a name that is taken: exit status" "$RC" 0
is "a name that is taken: the old one is kept" "$(cat q/penstock/quarantine/fspl-1.fspl) $(ls q/penstock/quarantine/fspl-*.fspl | wc -l)" "older 2"
need strace
newq; job 1; kills=0
for call in linkat unlinkat fsync fdatasync rename; do for n in 1 2 3 4 5; do
  strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl queue-process -q q --on-error quarantine false >/dev/null 2>&1
  [ $? != 137 ] || kills=$((kills + 1))
  copies=$(find q -name 'fspl-*.fspl' | wc -l)
  [ "$copies" -ge 1 ] || echo "# killed at $call $n: the job is lost" >> lost
  [ "$(cat q/nextseq)" = 1 ] || { newq; job 1; }
done; done
is "killed at any step: never lost" "$(cat lost 2>/dev/null)" ""
is "it was killed" "$([ $kills -ge 3 ] && echo yes || echo $kills)" yes
# Without hard links (the first linkat publishes the report) the job is moved: killed after that, and before nextseq.
for at in fsync:signal=KILL:when=5 pwrite64:signal=KILL:when=4 pwrite64:signal=KILL:when=5; do
  newq; jobs_ 1 2; rm -f ran
  strace -qq -o /dev/null -e trace=linkat,fsync,pwrite64 -e inject=linkat:error=EPERM:when=2 -e inject=$at fspl queue-process -q q --on-error quarantine false >/dev/null 2>&1
  is "moved, killed at $at: staged" "$? $(cat q/nextseq) $(ls q/jobs | tr '\n' ' ')" "137 1 fspl-2.fspl "
  for i in $(seq 50); do flock -n q/nextseq.lock true && break; sleep 0.1; done
  run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'
  is "moved, killed at $at: the rest runs" "$RC $(state) $(cat ran)" "0 next=3 jobs= 2"
  lines "moved, killed at $at: told once" 1 'job 1 \(fspl-1.fspl\) was moved to q/penstock/quarantine/fspl-1.fspl by a run that was killed'
done
newq; jobs_ 2; run fspl queue-process -q q true
is "a gap without a job in the quarantine stays one" "$(state)" "next=1 jobs=fspl-2.fspl"
finish
