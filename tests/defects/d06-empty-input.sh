#!/bin/bash
# D06: queue-write refuses empty input.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq
fails "empty" 1 fspl queue-write -q q
is "nothing is left" "$(files q/jobs)" ""
says "message" 'empty'
if ours; then
  rc "--allow-empty" fspl queue-write -q q --allow-empty
  is "--allow-empty adds it" "$(ls q/jobs | wc -l)" 1
  newq; echo junk > junk; pkt make --seq 3 --payload x > good; head -c 40 good > cut
  for bad in junk cut; do
    runin $bad fspl queue-write -q q --check
    is "--check, $bad: exit status" "$RC" 1
    is "--check, $bad: nothing is left" "$(files q/jobs)" ""
  done
  runin good fspl queue-write -q q --check
  is "--check, a good one: exit status" "$RC" 0
  is "--check, a good one: is there" "$(cmp good q/jobs/fspl-*.fspl && echo same)" same
  runin junk fspl queue-write -q q
  is "without --check anything goes" "$RC" 0
fi
finish
