#!/bin/bash
# What a job costs: one fdatasync, that of nextseq (docs/design/spool.md, "The commit"). A run costs one more for its
# record, and an fsync of jobs/ at its end, whatever the number of jobs.
# control: passes
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace
ours || { skip "all" "what fspl costs is not promised"; finish; }

# drained NAME JOBS OPTION...: drains as many jobs, and counts the syncs of all processes of the run.
drained() {
  local name=$1 count=$2
  newq; jobs_ $(seq "$count")
  strace --seccomp-bpf -f -y -qq -o trace -e trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync fspl queue-process -q q "${@:3}" true 2>/dev/null
  is "$name: all $count jobs are done" "$(fspl queue-get-next -q q)" $((count + 1))
  is "$name: one fdatasync of nextseq a job" "$(grep -c 'fdatasync([0-9]*<[^>]*/nextseq>)' trace)" "$count"
  is "$name: one of the record a run" "$(grep -c 'fdatasync([0-9]*<[^>]*/nextseq.lock>)' trace)" 1
  is "$name: one fsync of jobs/ a run" "$(grep -c 'fsync([0-9]*<[^>]*/jobs>)' trace)" 1
  is "$name: and no other" "$(grep -cE 'sync' trace)" $((count + 2))
}

drained "plain" 1
drained "plain" 24
drained "through a decoder" 8 -d cat
drained "deleted on failure" 8 --on-error delete

# A number that grows by a digit (9 to 10, among the 24) costs no further sync.
# Failed jobs that stop the run commit nothing: the record's and the directory's stay.
newq; jobs_ 1
strace -f -y -qq -o trace -e trace=fsync,fdatasync fspl queue-process -q q false 2>/dev/null
is "a failure under Retry: no sync of nextseq" "$(grep -c '/nextseq>)' trace)" 0
finish
