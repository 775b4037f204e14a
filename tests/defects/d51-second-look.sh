#!/bin/bash
# D51, in part (the index comes later): a later look decodes only what is new.
# control: cannot be staged: fspl has no second look
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 5 6 7; pkt make --seq 2 --payload two > two
fspl queue-process -q q -d 'echo run >> runs; cat' sh -- -c 'mv two q/jobs/fspl-2.fspl 2>/dev/null; :' 2>/dev/null
is "4 headers, and the new one" "$(grep -c . runs)" 5
is "both have run" "$(cat q/nextseq)" 3
skip "reading only the next header" "needs the index of a later part"
finish
