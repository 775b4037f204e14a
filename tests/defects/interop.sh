#!/bin/bash
# Beside the real fspl, on one queue and one sequence file at the same time, both ways.
# control: cannot be staged: needs both
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
real=${ORACLE:-/usr/bin/fspl}
[ -x "$real" ] || { skip "all" "no real fspl at $real"; finish; }
for v in $(seq 1 40); do pkt make --seq "$v" --payload "$v," > "p$v"; done
in_order="$(seq 1 40 | tr '\n' ',')"
one_writes() { # WRITER PROCESSOR...: all packets in any order, while processors run; several may be busy
  local writer=$1; shift; newq; rm -f log; : > log
  (for v in $(seq 1 40 | shuf); do "$writer" queue-write -q q < "p$v" || echo "# queue-write failed"; done) &
  local deadline=$((SECONDS + 60)) p
  while [ "$(cat q/nextseq)" -lt 41 ] && [ $SECONDS -lt $deadline ]; do
    for p; do "$p" queue-process -q q sh -- -c 'cat >> log' 2>/dev/null & done
    wait -n; sleep 0.02
  done
  wait
}
one_writes "$real" fspl;          is "the real one writes, ours runs: in order, once" "$(cat log)" "$in_order"
is "nothing is left" "$(state)" "next=41 jobs="
one_writes fspl "$real";          is "ours writes, the real one runs: in order, once" "$(cat log)" "$in_order"
is "nothing is left" "$(state)" "next=41 jobs="
one_writes fspl fspl "$real" fspl; is "both run at the same time: in order, once" "$(cat log)" "$in_order"
is "nothing is left" "$(state)" "next=41 jobs="

newq; jobs_ 1 2
fspl queue-process -q q -n 1 sh -- -c 'echo > running; sleep 2' & pid=$!
wait_for running
run "$real" queue-process -q q true
is "ours runs: the real one finds it busy" "$RC" 1
run "$real" queue-set-next -q q 9
is "ours runs: the real one cannot set the number" "$RC" 1
run "$real" queue-ls -q q
is "ours runs: the real one lists" "$RC $(awk 'END { print NR }' "$TMP/out")" "0 3"
run fspl queue-process -q q true
is "ours runs: another of ours finds it busy" "$RC" 1
says "and says who holds it" "q is busy: held by process $pid on host .* since 20.*, running job 1 \\(fspl-1.fspl\\)"
run fspl queue-set-next -q q 9
says "so does queue-set-next" "q is busy: held by process $pid "
wait $pid; rm running
is "done" "$(state)" "next=2 jobs=fspl-2.fspl"
"$real" queue-process -q q sh -- -c 'echo > running; sleep 2' & pid=$!
wait_for running
run fspl queue-process -q q true
is "the real one runs: ours finds it busy" "$RC" 1
says "and says so" 'q is busy: held by another process'
is "the real one runs: ours reads the number" "$(fspl queue-get-next -q q)" 2
run fspl queue-process -q q --lock-wait 10 true
is "--lock-wait: waits for it" "$RC" 0
wait
is "done by the real one" "$(state)" "next=3 jobs="

newq; jobs_ 1 2
fspl queue-process -q q -n 1 false 2>/dev/null
"$real" queue-process -q q -n 1 true
is "the real one takes over a job that failed with ours" "$(state)" "next=2 jobs=fspl-2.fspl"
run "$real" queue-get-next -q q
is "it reads the number" "$OUT" 2
"$real" queue-set-next -q q 7; is "ours reads its number" "$(fspl queue-get-next -q q)" 7
fspl queue-set-next -q q 100; "$real" queue-set-next -q q 99; fspl queue-set-next -q q 5
is "and it ours, of other lengths" "$("$real" queue-get-next -q q)" 5

sender() { local n=0 f; while [ $n -lt 15 ]; do f=$(mktemp -p packets); if "$1" prepare-nop -s sf > "$f" 2>/dev/null; then n=$((n + 1)); else rm "$f"; fi; done; }
mkdir packets
sender fspl & sender "$real" & sender fspl & sender "$real" & wait
is "senders of both kinds: each number once" "$(for f in packets/*; do pkt show < "$f" | sed -n 's/^seq=//p'; done | sort -n | tr '\n' ' ')" "$(seq 1 60 | tr '\n' ' ')"
is "and the file says the next" "$(head -1 sf)" 61
flock sf.lock sleep 1 & sleep 0.2
run "$real" prepare-nop -s sf; is "the real sender fails at a held lock" "$RC" 1
run fspl prepare-nop -s sf; is "ours waits" "$RC" 0
wait
finish
