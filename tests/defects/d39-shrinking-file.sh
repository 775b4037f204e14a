#!/bin/bash
# D39: a plain job file that is cut while it is read is a failed job; one that was cut before it came is, if it is sealed.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; packet_of 'payload => "x" x 3000000' > q/jobs/fspl-1.fspl
cut='head -c 10 > /dev/null; truncate -s 2000000 q/jobs/fspl-1.fspl; cat > part; echo end > committed'
bounded 20 fspl queue-process -q q sh -- -c "$cut"
is "exit status" "$RC" 1
is "not done" "$(cat q/nextseq)" 1
is "the command has not seen the end" "$(there committed)" no
packet_of 'payload => "x" x 3000000' > q/jobs/fspl-1.fspl
rm -f committed
bounded 20 fspl queue-process -q q -n 1 sh -- -c 'cat > all; echo end > committed'
is "a whole one is done" "$(there committed) $(stat -c %s all)" "yes 3000000"
if ours; then
  newq; head -c 300000 /dev/urandom >big
  fspl prepare -s sealed.seq -i big --seal | head -c 200000 >q/jobs/fspl-1.fspl
  rm -f committed
  bounded 20 fspl queue-process -q q sh -- -c 'cat >/dev/null; echo end > committed'
  is "cut before it came: not done" "$RC $(cat q/nextseq) $(there committed)" "1 1 no"
  says "cut before it came: told" 'the payload is cut: [0-9]* of 300000 bytes'
fi
finish
