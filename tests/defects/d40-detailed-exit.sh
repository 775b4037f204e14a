#!/bin/bash
# D40: --detailed-exit tells failures apart; without it all are 1.
# control: cannot be staged: by promise the default is fspl's
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
both() { # name status command...: with --detailed-exit and without
  local name=$1 want=$2 plain=1; shift 2
  [ "$want" != 3 ] && [ "$want" != 4 ] || plain=0
  stage; bounded 20 fspl queue-process -q q --detailed-exit "$@"; is "$name, detailed" "$RC" "$want"
  stage; bounded 20 fspl queue-process -q q "$@"; is "$name" "$RC" "$plain"
}
stage() { newq; job 1; }; both "a failed job" 1 false
stage() { newq; job 2; }; both "a gap" 3 true
stage() { newq; echo junk > q/jobs/fspl-junk.fspl; }; both "a skipped file" 4 true
stage() { newq; job 2; echo junk > q/jobs/fspl-junk.fspl; }; both "both: the gap" 3 true
stage() { newq; job 1; pkt make --seq 1 --payload other > q/jobs/fspl-1b.fspl; }; both "a conflict" 65 true
stage() { rm -rf q; }; both "no queue" 66 true
stage() { rm -rf q; fspl queue-init -q q --append-only; }; both "an append-only queue" 66 true
stage() { newq; job 1; }; both "no such command" 69 no-such-command
stage() { newq; job 1; }; both "no such decoder" 69 -d no-such-decoder true
stage() { newq; job 1; mkdir q/jobs/fspl-1.fspl.out; }; both "no place for its output" 74 --output-to SaveBoth true
stage() { newq; job 1; chmod 0 q/jobs; }; [ "$(id -u)" = 0 ] || both "jobs/ cannot be read" 66 true
stage() { newq; rm q/nextseq; }; both "nextseq cannot be read" 74 true
stage() { newq; job 1; flock q/nextseq.lock sleep 2 & sleep 0.2; }; both "busy" 75 true
stage() { newq; job 2; }; both "a gap with a status of its own" 3 true
newq; job 1; without_terminal 10 fspl queue-process -q q --detailed-exit -d "sleep 30" --header-timeout 1 true
is "a decoder that delivers nothing, detailed" "$RC" 74
newq; job 2; run fspl queue-process -q q --detailed-exit --gap-status 9 true
is "--gap-status goes before" "$RC" 9
newq; echo junk > q/jobs/fspl-junk.fspl; run fspl queue-process -q q --detailed-exit --skipped-status 0 true
is "--skipped-status goes before" "$RC" 0
newq; job 1; run fspl queue-process -q q --detailed-exit true
is "success" "$RC" 0
wait
finish
