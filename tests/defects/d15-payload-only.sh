#!/bin/bash
# D15: however it looks, the command sees the payload only.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; pkt make --seq 1 --payload "$(head -c 8107 /dev/zero | tr '\0' x)" > q/jobs/fspl-1.fspl
is "wc -c" "$(fspl queue-process -q q --never-delete wc -- -c)" 8107
newq; job 1
is "reopening /dev/stdin" "$(fspl queue-process -q q --never-delete cat -- /dev/stdin)" pay1
newq; job 1
is "a seek finds no header" "$(fspl queue-process -q q --never-delete perl -- -e 'seek STDIN, 0, 0; print <STDIN>')" pay1
newq; job 1
is "the same with a decoder" "$(fspl queue-process -q q -d cat --never-delete cat -- /dev/stdin)" pay1
is "stdin-process too" "$(fspl stdin-process cat -- /dev/stdin < q/jobs/fspl-1.fspl)" pay1
if ours; then
  newq; job 1
  is "--stdin file: positioned at the payload" "$(fspl queue-process -q q --never-delete --stdin file cat)" pay1
  newq; job 1
  is "--stdin file: it is the job file" "$(fspl queue-process -q q --never-delete --stdin file stat -- -Lc %s /dev/stdin)" "$(stat -c %s q/jobs/fspl-1.fspl)"
  fails "--stdin file with a decoder" 2 fspl queue-process -q q -d cat --stdin file cat
fi
finish
