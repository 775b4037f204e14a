#!/bin/bash
# D43: parameters that are not asked for are no news.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; pkt make --seq 1 --param a --payload x > q/jobs/fspl-1.fspl; pkt make --seq 2 --param b --payload x > q/jobs/fspl-2.fspl
run fspl queue-process -q q true
is "exit status" "$RC" 0
silent "silence"
if ours; then
  newq; pkt make --seq 1 --param a --payload x > q/jobs/fspl-1.fspl
  run fspl -l debug queue-process -q q true
  says "-l debug tells" 'job 1 .*parameter'
fi
finish
