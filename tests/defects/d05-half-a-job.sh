#!/bin/bash
# D05: what fails half-way leaves no job that looks complete: enqueue puts in all of it, or nothing.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir dir; newq
run fspl prepare -s sf -i dir
is "prepare of a directory: exit status" "$RC" 1
is "prepare of a directory: not a byte" "$(stat -c %s "$TMP/out")" 0
if ! ours; then finish; fi
run fspl enqueue -q q -s sf -i dir
is "enqueue of a directory: exit status" "$RC" 1
is "enqueue of a directory: nothing in the queue" "$(files q/jobs)" ""
run fspl enqueue -q q -s sf -i nowhere
is "enqueue of a missing file: exit status" "$RC" 1
is "enqueue of a missing file: nothing in the queue" "$(files q/jobs)" ""
for signal in TERM KILL; do
  rm -f fifo; mkfifo fifo; exec 9<>fifo; echo hello >&9
  fspl enqueue -q q -s sf -i fifo 2> "$TMP/err" & pid=$!
  sleep 0.3; kill -$signal $pid; wait $pid; RC=$?
  exec 9>&-
  is "$signal while it reads: fails" "$([ $RC != 0 ] && echo yes)" yes
  is "$signal while it reads: nothing in the queue" "$(files q/jobs)" ""
done
is "no number was used" "$(fspl prepare-get-next -s sf)" 1
FSPL_SET_who=me fspl enqueue -q q -s sf -i <(echo payload) -- one two
is "a job: number, variable, parameters" "$(fspl queue-info -q q -j 1 | grep -E '^FSPL_(SEQ|PARAM|SET)' | tr '\n' ' ')" "FSPL_SEQ=1 FSPL_PARAM_1=one FSPL_PARAM_2=two FSPL_SET_who=me "
is "a job: payload" "$(fspl queue-payload -q q -j 1)" payload
is "a job: readable by anybody's reader" "$(pkt show < q/jobs/fspl-*.fspl | grep -E '_crc|exact|^seq' | tr '\n' ' ')" "header_crc=ok prefix_crc=ok header_exact=yes seq=1 "
run bash -c "set -o pipefail; fspl run sh -c 'echo half; exit 3' '|' fspl enqueue -q q -s sf -i -"
is "behind a failing stage of run: status of that stage" "$RC" 3
is "behind a failing stage of run: no number used" "$(fspl prepare-get-next -s sf)" 2
finish
