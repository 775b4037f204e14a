#!/bin/bash
# D44: whatever goes wrong is said in one line that names the command, the object and, where there is one, the remedy.
# control: cannot be staged: the words are ours
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
told() { # NAME STATUS REGEX COMMAND...
  local name=$1 status=$2 regex=$3; shift 3
  bounded 20 "$@"
  is "$name: exit status" "$RC" "$status"
  lines "$name: one line" 1 .
  like "$name: its words" "$(cat "$TMP/err")" "^penstock [a-z-]+: .*$regex"
}
told "no queue" 1 'nowhere.*No such file' fspl queue-process -q nowhere true
told "no queue, queue-ls" 1 'nowhere.*No such file' fspl queue-ls -q nowhere
told "no queue, queue-write" 1 'nowhere.*No such file' fspl queue-write -q nowhere
fspl queue-init -q a --append-only
told "append-only" 1 'a/nextseq.lock.*append-only.*queue-init --repair' fspl queue-process -q a true
told "append-only, queue-get-next" 1 'a/nextseq is missing.*append-only.*queue-init --repair' fspl queue-get-next -q a
told "no place for a queue" 1 'cannot create queue no/place: No such file' fspl queue-init -q no/place
newq
told "a queue that is there" 1 'cannot create queue q: it exists already \(--repair' fspl queue-init -q q
told "no such job" 1 'no job 7 in q/jobs' fspl queue-info -q q -j 7
job 2
told "a gap" 0 'waiting for job 1; 1 later job .* 2 \(fspl-2.fspl\)' fspl queue-process -q q true
newq; echo junk > q/jobs/fspl-junk.fspl
told "an undecodable file" 0 'warning: fspl-junk.fspl is skipped: is not a job file' fspl queue-ls -q q
newq; job 1
told "a wrong key" 0 'warning: fspl-1.fspl is skipped: .*exited 2.*no secret key' fspl queue-ls -q q -d 'sh -c "echo no secret key >&2; exit 2"'
told "a SHELL that runs nothing" 1 'SHELL is /bin/false.*set SHELL=/bin/sh' env SHELL=/bin/false fspl queue-ls -q q -d 'cat; true'
told "a missing command" 1 'start no-such-command: No such file' fspl queue-process -q q no-such-command
told "a missing decoder" 1 'decoder cannot be run.*no-such-decoder: No such file' fspl queue-process -q q -d no-such-decoder true
told "a failed job" 1 'job 1 \(fspl-1.fspl\) failed: .*3.*blocks the queue' fspl queue-process -q q sh -- -c 'exit 3'
pkt make --seq 1 --payload other > q/jobs/fspl-1b.fspl
told "a conflict" 1 'job 1: fspl-1.fspl and fspl-1b.fspl .*differ; remove all but the right one from q/jobs' fspl queue-process -q q true
told "a conflict, queue-info" 1 'job 1: fspl-1.fspl and fspl-1b.fspl .*remove all but the right one from q/jobs' fspl queue-info -q q -j 1
told "options that contradict each other" 2 '--json and --null exclude each other' fspl queue-info -q q -j 1 --json --null
newq; echo junk > q/jobs/fspl-1.fspl; run fspl queue-process -q q true
says "files left alone" '1 file could not be read and was left alone'
newq; echo 2 > q/nextseq; job 1
told "an old file" 0 '1 file is older than the next number 2.*fspl-1.fspl \(1\) \(--remove-old' fspl queue-process -q q true
newq; rm q/nextseq
told "a missing number" 1 'q/nextseq is missing.*`penstock queue-set-next -q q N`' fspl queue-process -q q true
newq; echo junk > q/nextseq
told "a damaged number" 1 'q/nextseq holds "junk", not a number; `penstock queue-set-next -q q N` sets it' fspl queue-process -q q true
told "a damaged number, queue-get-next" 1 'q/nextseq holds .*`penstock queue-set-next -q q N` sets it' fspl queue-get-next -q q
told "a damaged number, --repair" 1 'q/nextseq holds .*`penstock queue-set-next -q q N` sets it' fspl queue-init -q q --repair
flock q/nextseq.lock sleep 1 & sleep 0.2
told "busy" 1 'q is busy: held by another process' fspl queue-process -q q true
wait; newq
told "an empty job file" 1 'standard input is empty.*--allow-empty' fspl queue-write -q q
echo junk > junk
runin junk fspl stdin-info
like "a bad packet on stdin" "$RC $(cat "$TMP/err")" '^1 penstock stdin-info: standard input: is not a job file'
told "a damaged sequence file" 1 'junk holds .*`penstock prepare-set-next -s junk N` sets it' fspl prepare-nop -s junk
told "a missing input" 1 'open nowhere: No such file' fspl prepare -s sf -i nowhere
told "a usage error" 2 '--help' fspl queue-process -q q
rm -r q/jobs; : > q/jobs
told "jobs/ that is none" 1 'q is not a queue: q/jobs: Not a directory' fspl queue-ls -q q
rm -r q/jobs
told "no jobs/" 1 'q is not a queue: it has no jobs directory' fspl queue-ls -q q
told "no jobs/, queue-process" 1 'q is not a queue: it has no jobs directory' fspl queue-process -q q true
told "no jobs/, queue-write" 1 'q is not a queue: it has no jobs directory' fspl queue-write -q q
told "a file for a queue" 1 'junk is not a queue: it is no directory' fspl queue-ls -q junk
if [ "$(id -u)" = 0 ]; then
  nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  newq; job 1; chmod 666 q/nextseq q/nextseq.lock; let_nobody_in
  told "jobs/ that may not be written" 1 'job 1 \(fspl-1.fspl\) is not run: its file could not be removed from q/jobs when it is done: Permission denied' "${nobody[@]}" fspl queue-process -q q true
  head -c 9 /dev/zero > big
  runin big "${nobody[@]}" fspl queue-write -q q
  like "jobs/ that may not be written, queue-write" "$RC $(cat "$TMP/err")" '^1 penstock queue-write: cannot add a job to q/jobs: Permission denied$'
  chmod 700 q/jobs
  told "jobs/ that may not be read" 1 'cannot look into queue q: open q/jobs: Permission denied' "${nobody[@]}" fspl queue-ls -q q
fi
finish
