#!/bin/bash
# D15: however it looks, the command sees the payload only.
# control: fails
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
newq; pkt make --seq 1 --payload "$(head -c 8107 /dev/zero | tr '\0' x)" > q/jobs/fspl-1.fspl
is "wc -c" "$(fspl queue-process -q q --never-delete wc -- -c)" 8107
newq; job 1
is "reopening /dev/stdin" "$(fspl queue-process -q q --never-delete cat -- /dev/stdin)" pay1
newq; job 1
is "a seek finds no header" "$(fspl queue-process -q q --never-delete perl -- -e 'seek STDIN, 0, 0; print <STDIN>')" pay1
newq; job 1
is "the same with a decoder" "$(fspl queue-process -q q -d cat --never-delete cat -- /dev/stdin)" pay1
is "stdin-process too" "$(fspl stdin-process cat -- /dev/stdin < q/jobs/fspl-1.fspl)" pay1
if ours; then
  newq; job 1
  is "--stdin file: positioned at the payload" "$(fspl queue-process -q q --never-delete --stdin file cat)" pay1
  newq; job 1
  is "--stdin file: it is the job file" "$(fspl queue-process -q q --never-delete --stdin file stat -- -Lc %s /dev/stdin)" "$(stat -c %s q/jobs/fspl-1.fspl)"
  fails "--stdin file with a decoder" 2 fspl queue-process -q q -d cat --stdin file cat
  # With --verify before it is the verified file: what was checked is what is fed.
  look='stat -Lc "%F %s" /dev/stdin; cat; if echo x 2>/dev/null >&0; then echo writable; fi'
  for decoder in "" "-d cat"; do
    newq; job 1
    run fspl queue-process -q q $decoder --stdin file --verify before sh -- -c "$look"
    is "--stdin file --verify before $decoder" "$RC $OUT" "0 regular file 5
pay1"
  done
  newq; job 1
  runin q/jobs/fspl-1.fspl fspl stdin-process --stdin file --verify before sh -- -c "$look"
  is "--stdin file --verify before: stdin-process" "$RC $OUT" "0 regular file 5
pay1"
  head -c 3000000 /dev/urandom > large; newq; fspl prepare -s seq -i large > q/jobs/fspl-1.fspl
  fspl queue-process -q q --stdin file --verify before sh -- -c 'stat -Lc %F /dev/stdin > kind; cat' > got
  is "--stdin file --verify before: more than is kept in memory" "$(cat kind) $(cmp large got && echo same)" "regular file same"
fi
finish
