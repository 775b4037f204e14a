#!/bin/bash
# D30: a SHELL that cannot run decoders is an error, not an empty queue.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; job 1
for shell in /usr/sbin/nologin /bin/false /nonexistent/sh; do
  for command in 'queue-process true' 'queue-ls'; do
    set -- $command; name=$1; shift
    SHELL=$shell bounded 20 fspl "$name" -q q -d 'cat; true' "$@"
    is "$shell, $name: exit status" "$RC" 1
    says "$shell, $name: told" "${shell##*/}"
    says "$shell, $name: where it comes from" SHELL
  done
done
is "no job is lost" "$(state)" "next=1 jobs=fspl-1.fspl"
SHELL= bounded 20 fspl queue-process -q q -d 'cat; true' cat
is "an empty SHELL means /bin/sh" "$OUT" pay1
newq; job 1
run env -u SHELL fspl queue-process -q q -d 'cat; true' cat
is "no SHELL means /bin/sh" "$OUT" pay1
for status in 126 127; do
  newq; job 1
  bounded 20 fspl queue-process -q q -d "exit $status" true
  is "a shell that cannot run the decoder ($status): exit status" "$RC" 1
done
bounded 20 fspl queue-process -q q -d 'no-such-decoder -x' true
is "a decoder that is not there: exit status" "$RC" 1
says "a decoder that is not there: named" 'no-such-decoder'
is "no job is lost either" "$(state)" "next=1 jobs=fspl-1.fspl"
finish
