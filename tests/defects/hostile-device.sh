#!/bin/bash
# Hostile: a device node with the name of a job.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_root; newq; jobs_ 1 2
mknod q/jobs/fspl-h.fspl c 1 5 || { skip "all" "no device nodes here"; finish; }
others_go_on "a device"
finish
