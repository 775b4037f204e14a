#!/bin/bash
# Hostile: headers that claim up to 2^60 bytes, and files that end within theirs.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for n in 60 63 34 20; do
  newq; jobs_ 1 2; rm -f ran
  pkt make --seq 3 --len $((n == 63 ? 9223372036854775807 : 1 << n)) > q/jobs/fspl-h.fspl
  grep -qa __asan_init "$BIN" || ulimit -v 400000
  others_go_on "2^$n"
done
finish
