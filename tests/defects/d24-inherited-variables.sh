#!/bin/bash
# D24: variables that an outer job left are not passed on.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; pkt make --seq 3 --param p1 --env new=1 > q/jobs/fspl-3.fspl; echo 3 > q/nextseq
export FSPL_PARAM_7=stale FSPL_SET_OLD=stale FSPL_JOB_FILENAME=stale FSPL_SEQ=99 FSPL_CTIME_SECS=stale PENSTOCK_ATTEMPT=9 PENSTOCK_JOB=stale FSPL_OTHER=kept
run fspl queue-process -q q --never-delete env
is "queue-process: none" "$(grep -c stale "$TMP/out")" 0
is "queue-process: the job's own" "$(grep -E '^FSPL_(SEQ|PARAM|SET)' "$TMP/out" | sort | tr '\n' ' ')" "FSPL_PARAM_1=p1 FSPL_SEQ=3 FSPL_SET_new=1 "
is "queue-process: names that mean nothing here pass" "$(grep -c FSPL_OTHER=kept "$TMP/out")" 1
runin q/jobs/fspl-3.fspl fspl stdin-process env
is "stdin-process: none" "$(grep -c stale "$TMP/out")" 0
is "stdin-process: no file" "$(grep -c '^FSPL_JOB_' "$TMP/out")" 0
if ours; then is "a fresh attempt" "$(grep '^PENSTOCK_ATTEMPT=' "$TMP/out")" PENSTOCK_ATTEMPT=1; fi
finish
