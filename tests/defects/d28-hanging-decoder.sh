#!/bin/bash
# D28: a decoder that delivers no header ends the run, which names the file.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; jobs_ 1 2
limit=(); if ours; then limit=(--header-timeout 1); fi
for command in 'queue-process true' 'queue-ls' 'queue-info -j 1' 'queue-payload -j 1'; do
  set -- $command; name=$1; shift
  without_terminal 6 fspl "$name" -q q -d 'echo $$ >> pids; sleep 60' "${limit[@]}" "$@"
  is "$name: exit status" "$RC" 1
  if ours; then says "$name: names a file and the option" 'fspl-[12].fspl.*--header-timeout'; fi
  is "$name: its decoders are gone" "$(alive $(cat pids))" ""; kill -KILL $(cat pids) 2>/dev/null; rm -f pids
done
is "no job was passed over" "$(state)" "next=1 jobs=fspl-1.fspl fspl-2.fspl"
finish
