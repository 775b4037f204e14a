#!/bin/bash
# D10: a file that is replaced between scan and turn is looked at again.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2; pkt make --seq 5 --payload five > five
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran; [ $FSPL_SEQ != 1 ] || mv five q/jobs/fspl-2.fspl'
is "by a later job: exit status" "$RC" 0
is "by a later job: it does not run in that slot" "$(cat ran)" 1
is "by a later job: a gap" "$(state)" "next=2 jobs=fspl-2.fspl"
if ours; then says "by a later job: told" 'waiting for job 2'; fi
newq; rm -f ran; jobs_ 1 2; cp q/jobs/fspl-1.fspl one
run fspl queue-process -q q sh -- -c 'echo $FSPL_SEQ >> ran; [ $FSPL_SEQ != 1 ] || mv one q/jobs/fspl-2.fspl'
is "by a copy of a done one: runs once" "$(cat ran)" 1
newq; rm -f ran; jobs_ 1 2; pkt make --seq 2 --payload new > new
run fspl queue-process -q q sh -- -c 'cat >> ran; [ $FSPL_SEQ != 1 ] || mv new q/jobs/fspl-2.fspl'
is "by another of the same number: exit status" "$RC" 0
is "by another of the same number: the new one runs" "$(cat ran)" "pay1
new"
newq; rm -f ran; jobs_ 1 2; pkt make --seq 5 --payload five > five
run fspl queue-process -q q -d 'cat; true' sh -- -c 'echo $FSPL_SEQ >> ran; [ $FSPL_SEQ != 1 ] || mv five q/jobs/fspl-2.fspl'
is "behind a decoder: it does not run in that slot" "$(cat ran)" 1
finish
