#!/bin/bash
# D13: the file is synced, then its directory; a job's file goes only after nextseq is durable.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace
trace() { strace -f -y -qq -o trace -e trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,pwrite64 "$@" 2>/dev/null; calls trace > calls; }
newq; pkt make --seq 1 --payload x > one
trace fspl queue-write -q q < one
like "queue-write: file, name, directory" "$(cat calls)" 'f(data)?sync\([^)]*\) (linkat|rename[a-z0-9]*)\(fspl-[^)]*\) fsync\(jobs\) '
trace fspl prepare-nop -s sf > /dev/null
like "a new sequence file: file, name, directory" "$(cat calls)" 'f(data)?sync\([^)]*\) (linkat|rename[a-z0-9]*)\(sf\) fsync\(w\) '
trace fspl prepare-nop -s sf > /dev/null
like "an old one: the number is synced" "$(cat calls)" '(pwrite64\([^)]*\) (ftruncate\([^)]*\) )?fdatasync\(sf\)|rename[a-z0-9]*\(sf\) fsync\(w\)) '
newq; jobs_ 1 2
trace fspl queue-process -q q true
like "processing: nextseq is durable before the file goes" "$(cat calls)" '(fdatasync\(nextseq\)|rename[a-z0-9]*\(nextseq\) fsync\(q\)) (pwrite64[^ ]* )*unlink(at)?\(fspl-1.fspl\).*(fdatasync\(nextseq\)|rename[a-z0-9]*\(nextseq\) fsync\(q\)) (pwrite64[^ ]* )*unlink(at)?\(fspl-2.fspl\)'
like "processing: jobs/ is synced at the end" "$(cat calls)" 'unlink(at)?\(fspl-2.fspl\).* fsync\(jobs\)'
if ours; then
  trace fspl enqueue -q q -s sf
  like "enqueue: file, name, directory, then the number" "$(cat calls)" 'f(data)?sync\([^)]*\) linkat\(fspl-[^)]*\) fsync\(jobs\) pwrite64\([^)]*\) fdatasync\(sf\)'
fi
finish
