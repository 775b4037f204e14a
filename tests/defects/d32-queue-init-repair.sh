#!/bin/bash
# D32: queue-init --repair completes a queue.
# control: cannot be staged: fspl has no such option; that it lacks it is the defect
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
fspl queue-init -q q --append-only
fails "an existing queue is refused without it" 1 fspl queue-init -q q
is "and not touched" "$(files q)" "./jobs"
rc "--repair --append-only" fspl queue-init -q q --repair --append-only
is "--repair --append-only: stays so" "$(files q)" "./jobs"
job 5; rc "--repair" fspl queue-init -q q --repair
is "--repair: a full one, its job kept" "$(files q)" "./jobs ./jobs/fspl-5.fspl ./nextseq ./nextseq.lock"
is "--repair: starts with 1" "$(cat q/nextseq)" 1
echo 5 > q/nextseq; rm -r q/nextseq.lock
rc "a missing lock" fspl queue-init -q q --repair
is "a missing lock: made, the number kept" "$(cat q/nextseq) $(there q/nextseq.lock)" "5 yes"
run fspl queue-process -q q true
is "and it can be processed" "$RC $(state)" "0 next=6 jobs="
rm -r q/jobs; rc "missing jobs/" fspl queue-init -q q --repair
is "missing jobs/: made" "$(there q/jobs)" yes
echo junk > q/nextseq; rm q/nextseq.lock; fails "a damaged number" 1 fspl queue-init -q q --repair
is "a damaged number: left as it is, the rest made" "$(cat q/nextseq) $(files q)" "junk ./jobs ./nextseq ./nextseq.lock"
says "a damaged number: how to set it" 'queue-set-next -q q N'
rc "a damaged number: set" fspl queue-set-next -q q 7
rc "a damaged number: then --repair is content" fspl queue-init -q q --repair
: > plain; fails "a file in the way" 1 fspl queue-init -q plain --repair
says "a file in the way: told" 'plain.*Not a directory'
fails "no parent" 1 fspl queue-init -q no/such/place --repair
finish
