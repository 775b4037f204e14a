#!/bin/bash
# quarantine-list, -show, -release, -drop: what a person does about jobs that were moved aside.
# control: cannot be staged: fspl knows no quarantine
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
aside() { fspl queue-process -q q --on-error quarantine "$@" 2>/dev/null; }
three() { newq; rm -f ran; jobs_ 1 2 3; aside false; }  # all three aside, the number is 4
go_on() { run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran'; }
inside() { ls q/penstock/quarantine | tr '\n' ' '; }

newq
run fspl quarantine-list -q q;        is "an empty list has a heading" "$RC $(wc -l < "$TMP/out")" "0 1"
run fspl quarantine-list -q q --json; is "an empty list, JSON" "$RC $OUT" "0 []"
run fspl quarantine-show -q q 7;      is "no such job" "$RC" 1
says "no such job: told" 'there is no job 7 in the quarantine of q'
run fspl quarantine-list -q nowhere;  is "no such queue" "$RC" 1

newq; jobs_ 1 2; pkt make --seq 3 --payload x > $'q/jobs/fspl-\e\xff.fspl'
aside -d 'sh -c "cat; echo the disk is on fire >&2; exit 9"' cat; aside -n 1 sh -- -c 'kill -KILL $$'
run fspl quarantine-list -q q
is "list: a row for each" "$(awk 'NR > 1 { print $1, $3, $4 }' "$TMP/out" | tr '\n' ';')" '1 1 fspl-1.fspl:;2 1 fspl-2.fspl:;3 1 fspl-\x1b\xff.fspl:;'
like "list: the reason" "$(grep '^1 ' "$TMP/out")" 'fspl-1.fspl: .*exited 9'
get() { perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>); print join ";", map { my $e = $_; join ",", map { $e->{$_} // "" } @ARGV } @$j' "$@"; }
run fspl quarantine-list -q q --json
is "list --json" "$(get id attempts file_name_hex may_have_been_applied < "$TMP/out")" "1,1,,0;2,1,,0;3,1,$(printf 'fspl-\e\377.fspl' | hex),0"
like "list --json: the reason" "$(get reason < "$TMP/out")" 'exited 9 \(the disk is on fire\)'
run fspl quarantine-show -q q 1
for line in 'in: q/penstock/quarantine/fspl-1.fspl' 'job: 1' 'file: fspl-1.fspl' 'time: 20' 'attempts: 1' 'reason: .*exited 9' 'stage: sh -c .*: exited 9' "the end of the decoder's stderr:" 'the disk is on fire'; do
  like "show: $line" "$OUT" "^$line"
done
run fspl quarantine-show -q q fspl-2.fspl; is "show, by name" "$(sed -n 's/^job: //p' "$TMP/out")" 2
run fspl quarantine-show -q q;             is "show, all" "$(sed -n 's/^job: //p' "$TMP/out" | tr '\n' ' ')" "1 2 3 "

three
run fspl quarantine-release -q q 2
is "release without --set-next: it is back" "$RC $(state) $(inside)" "0 next=4 jobs=fspl-2.fspl fspl-1.fspl fspl-1.fspl.report fspl-3.fspl fspl-3.fspl.report "
says "release without --set-next: told that it will not run" 'job 2 \(fspl-2.fspl\) is back in q/jobs.*warning: .*`penstock queue-set-next -q q 2` sets it'
go_on; is "and it does not" "$RC $(there ran)" "0 no"
three; jobs_ 4
run fspl quarantine-release -q q --all --set-next
is "release --all --set-next" "$RC $(state) $(inside)" "0 next=1 jobs=fspl-1.fspl fspl-2.fspl fspl-3.fspl fspl-4.fspl "
says_not "release --all --set-next: nothing to warn of" warning
go_on; is "and all run, in order" "$RC $(tr '\n' ' ' < ran) $(state)" "0 1 2 3 4  next=5 jobs="
three
run fspl quarantine-release -q q 1 3 --set-next
says "a hole is told" 'the queue.s next number is 1 now, was 4, and job 2 was not in the quarantine: if it is done, `penstock queue-set-next -q q N`'
go_on; is "the queue waits there" "$RC $(cat ran) $(cat q/nextseq)" "0 1 2"
says "and knows where it is" 'waiting for job 2; .*it is in the quarantine: `penstock quarantine-release -q q 2` puts it back'
run fspl quarantine-release -q q 2; go_on
is "then it runs" "$RC $(tr '\n' ' ' < ran) $(state)" "0 1 2 3  next=4 jobs="
newq; rm -f ran; jobs_ 1; aside false; echo other > q/jobs/fspl-1.fspl
run fspl quarantine-release -q q 1 --set-next
is "a name that is taken" "$RC $(cat q/jobs/fspl-1.fspl) $(ls q/jobs | wc -l) $(inside)" "0 other 2 "
three; flock q/nextseq.lock sleep 1 & sleep 0.2
fails "release while the queue is busy" 1 fspl quarantine-release -q q --all --set-next
fails "drop while the queue is busy" 1 fspl quarantine-drop -q q --all
is "changes nothing" "$(state) $(inside | wc -w)" "next=4 jobs= 6"; wait
fails "release: which?" 2 fspl quarantine-release -q q
fails "drop: which?" 2 fspl quarantine-drop -q q
fails "drop: all or one?" 2 fspl quarantine-drop -q q --all 1
fails "one that is not there: nothing is dropped" 1 fspl quarantine-drop -q q 1 7
run fspl quarantine-drop -q q 1 fspl-3.fspl
is "drop" "$RC $(inside) $(state)" "0 fspl-2.fspl fspl-2.fspl.report  next=4 jobs="
rm q/penstock/quarantine/*.report
run fspl quarantine-show -q q fspl-2.fspl; is "without a report" "$RC $(sed -n 2p "$TMP/out")" "0 there is no report"
rc "without a report: released by name" fspl quarantine-release -q q fspl-2.fspl
is "without a report: it is back" "$(state)" "next=4 jobs=fspl-2.fspl"

# What was done must not run again because the number goes back.
need strace
newq; rm -f ran; jobs_ 1 2; aside -n 1 false
strace -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:signal=KILL:when=1 fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran' >/dev/null 2>&1
unlocked
fails "--set-next before recovery" 1 fspl quarantine-release -q q 1 --set-next
says "--set-next before recovery: told what to do" 'the last run was cut short, .*`penstock queue-process -q q -n 0 true`'
run fspl queue-process -q q -n 0 true
rc "after it" fspl quarantine-release -q q 1 --set-next
go_on; is "what was done has not run again" "$(tr '\n' ' ' < ran) $(state)" "2 1  next=2 jobs="
# Once the number was set, the one on record does not come back for it.
newq; jobs_ 1 2 3; aside -n 1 false; fspl queue-process -q q -n 1 true; fspl queue-process -q q false 2>/dev/null
run fspl quarantine-release -q q --set-next 1; : >q/nextseq
fails "an emptied nextseq after --set-next is not put right" 1 fspl queue-process -q q true
# After the stop at the limit a part can be put back, too: nothing is left to be recovered.
newq; rm -f ran; jobs_ 1 2 3; fspl queue-process -q q --on-error quarantine false 2>/dev/null
rc "a part after the limit" fspl quarantine-release -q q --set-next 1
is "a part after the limit: it is back" "$(state)" "next=1 jobs=fspl-1.fspl"
# What is no job file, or no report, is in nobody's way.
newq; jobs_ 1 3; mkdir -p q/penstock/quarantine/fspl-1.fspl.report; ln -s fspl-l.fspl q/penstock/quarantine/fspl-l.fspl
run fspl queue-process -q q --on-error quarantine false
is "a folder as a report, a loop of links" "$RC $(state)" "0 next=2 jobs=fspl-3.fspl"
says "and the gap is told" 'waiting for job 2'
# Killed before the file of the job that was moved aside was removed from jobs/.
newq; rm -f ran; jobs_ 1 2
strace -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:signal=KILL:when=1 fspl queue-process -q q --on-error quarantine -n 1 false >/dev/null 2>&1
unlocked
is "in both places: staged" "$(there q/jobs/fspl-1.fspl) $(inside) $(cat q/nextseq)" "yes fspl-1.fspl fspl-1.fspl.report  2"
rc "in both places" fspl quarantine-release -q q 1
is "in both places: then in one" "$(state) $(inside)" "next=2 jobs=fspl-1.fspl fspl-2.fspl "
run fspl queue-process -q q -n 0 true
is "in both places: recovery does not take it for one that is done" "$(there q/jobs/fspl-1.fspl)" yes
fspl queue-set-next -q q 1; go_on
is "in both places: it runs" "$(tr '\n' ' ' < ran) $(state)" "1 2  next=3 jobs="

# Killed anywhere while it puts them back: nothing is lost, and doing it again, after a run or without, completes it.
kills=0
for between in true go_on; do for call in pwrite64 fdatasync ftruncate fsync renameat2 unlinkat; do for n in 1 2 3 4 5 6 7; do
  three
  strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl quarantine-release -q q --all --set-next >/dev/null 2>&1
  [ $? = 137 ] || continue
  kills=$((kills + 1))
  [ "$(find q -name 'fspl-*.fspl' | wc -l)" = 3 ] || echo "# $between $call $n: $(find q -name 'fspl-*.fspl')"
  $between
  fspl quarantine-release -q q --all --set-next 2>/dev/null || echo "# $between $call $n: the second one fails"
  go_on
  [ "$RC $(tr '\n' ' ' < ran) $(state) $(ls q/penstock/quarantine/*.fspl 2>/dev/null)" = "0 1 2 3  next=4 jobs= " ] ||
    echo "# $between $call $n: $RC $(tr '\n' ' ' < ran 2>/dev/null) $(state) $(inside) $(cat "$TMP/err")"
done; done; done > again 2>/dev/null
# Until all are back, a run of the kind that has moved them aside goes no further.
for call in pwrite64 fdatasync ftruncate fsync renameat2 unlinkat; do for n in 1 2 3 4 5 6 7; do
  newq; rm -f ran; jobs_ 1 2 3 4; aside false
  strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl quarantine-release -q q --all --set-next >/dev/null 2>&1
  [ $? = 137 ] || continue
  kills=$((kills + 1))
  aside sh -- -c 'echo $FSPL_SEQ >> ran'
  fspl quarantine-release -q q --all --set-next 2>/dev/null || echo "# $call $n: the second one fails"
  aside sh -- -c 'echo $FSPL_SEQ >> ran'
  [ "$(tr '\n' ' ' < ran) $(state)" = "1 2 3 4  next=5 jobs=" ] || echo "# row, $call $n: $(tr '\n' ' ' < ran 2>/dev/null) $(state)"
done; done >> again 2>/dev/null
is "release, killed at any step: none is lost, each runs once, in order" "$(cat again)" ""
is "it was killed" "$([ $kills -ge 30 ] && echo yes || echo $kills)" yes
kills=0
for call in pwrite64 unlinkat fsync; do for n in 1 2 3 4 5; do
  three
  strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n fspl quarantine-drop -q q --all >/dev/null 2>&1
  [ $? = 137 ] || continue
  kills=$((kills + 1))
  rc=0; fspl quarantine-drop -q q --all 2>/dev/null || rc=$?
  [ "$rc $(ls q/penstock/quarantine/*.fspl 2>/dev/null) $(state)" = "0  next=4 jobs=" ] || echo "# $call $n: $rc $(inside) $(state)"
done; done > again 2>/dev/null
is "drop, killed at any step: doing it again completes it" "$(cat again)" ""
is "that was killed" "$([ $kills -ge 8 ] && echo yes || echo $kills)" yes
finish
