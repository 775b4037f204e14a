#!/bin/bash
# A job whose payload cannot be read to its end has failed, but under --on-error Delete its file stays: it is neither done
# nor damaged for certain, and a second reading may succeed. Also a later recovery leaves it alone.
# control: cannot be staged: it hands over the file, and does not read it
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need strace

# failing SCRIPT: a run under Delete in which job 2's payload cannot be read: the first reading of its file is the scan's,
# the second one that of its turn.
failing() {
  strace -f -qq -o trace -P q/jobs/fspl-2.fspl -e trace=pread64 -e inject=pread64:error=EIO:when=3 \
    "$TMP/bin/fspl" queue-process -q q --on-error Delete sh -- -c "$1" > "$TMP/out" 2> "$TMP/err"
  echo "exit $?"
}

newq; jobs_ 1 2 3; : > ran
is "the run goes on" "$(failing 'cat >> ran')" "exit 0"
like "the fault was there" "$(cat trace)" INJECTED
says "it is said" 'job 2 \(fspl-2.fspl\) failed: read fspl-2.fspl: Input/output error; passed over, its file stays'
is "its file stays, the others are done" "$(ls q/jobs | tr '\n' ' ')" "fspl-2.fspl "
is "the number has passed it" "$(fspl queue-get-next -q q)" 4
is "jobs 1 and 3 ran" "$(wc -l < ran)" 2
run fspl queue-process -q q true
is "the next run leaves it, too" "$(ls q/jobs | tr '\n' ' ')" "fspl-2.fspl "
run fspl queue-set-next -q q 2
run fspl queue-process -q q sh -- -c 'cat >> ran'
is "put back, it runs" "$(wc -l < ran)" 3

# Killed behind it, and then a power cut that undoes removals: its file is none of a finished job.
newq; jobs_ 1 2 3
like "the run is killed" "$(failing '[ $FSPL_SEQ != 3 ] || kill -9 $PPID')" 'exit [1-9]'
unlocked
edit_record 's/boot=[^ ]*/boot=another/'
run fspl queue-process -q q true
is "after a kill and another boot" "$(ls q/jobs | tr '\n' ' ')" "fspl-2.fspl "
finish
