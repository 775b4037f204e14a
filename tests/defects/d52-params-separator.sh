#!/bin/bash
# D52: --params-separator keeps a job's parameters from being options.
# control: cannot be staged: the default is fspl's, by promise
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; pkt make --seq 1 --param --version --payload x > q/jobs/fspl-1.fspl
is "with it" "$(fspl queue-process -q q --never-delete --allow-job-params --params-separator printf -- '%s ')" "-- --version "
newq; pkt make --seq 1 --param --version --payload x > q/jobs/fspl-1.fspl
is "without it" "$(fspl queue-process -q q --never-delete --allow-job-params printf -- '%s ')" "--version "
is "stdin-process" "$(fspl stdin-process --allow-job-params --params-separator printf -- '%s ' < q/jobs/fspl-1.fspl)" "-- --version "
newq; pkt make --seq 1 --param p --payload x > q/jobs/fspl-1.fspl
is "nothing without --allow-job-params" "$(fspl queue-process -q q --never-delete --params-separator printf -- '%s ' a)" "a "
finish
