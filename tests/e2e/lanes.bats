# Many queues side by side: each in its own order, none held up by another, one exit status.
load queue_helpers

bats_require_minimum_version 1.5.0

teardown() {
  [ -z "${lanes:-}" ] || kill -KILL "$lanes" 2>/dev/null || true
  cd / || return 1
  end_test
}

# queue NAME COUNT: many/NAME with so many jobs, each with its number as payload.
queue() {
  local n
  mkdir -p many
  penstock queue-init -q "many/$1"
  for ((n = 1; n <= $2; n++)); do
    echo $n | penstock prepare -s "seq-$1" -i - | penstock queue-write -q "many/$1"
  done
}

# lanes OPTION... COMMAND: in the background; leaves `lanes`.
lanes() {
  "$PENSTOCK" queue-process --all many "$@" >out 2>err </dev/null 3>&- &
  lanes=$!
}

# ended STATUS: it has; see ended_with.
ended() {
  ended_with "$lanes" "$1" || { if not_running "$lanes"; then lanes=; fi; return 1; }
  lanes=
}

in_order() {
  local queue
  for queue in many/*; do
    [ "$(awk -v q="${queue##*/}" '$1 == q { print $2 }' log | paste -sd' ')" = "$(seq -s' ' "$1")" ] ||
      { cat log err; fail "$queue is not in order"; } || return 1
    [ -z "$(ls "$queue/jobs")" ] || { cat err; fail "$queue is not empty"; } || return 1
  done
}

@test "lanes: many queues, each in its own order" {
  local name
  for name in a b c d e; do queue $name 4; done
  mkdir many/no-queue many/.hidden
  command_of run "$log_all"
  lanes --lanes 3 ./run
  ended 0
  rmdir many/no-queue many/.hidden
  in_order 4
}

@test "lanes: they are side by side; and with one lane they are not" {
  local name
  for name in a b c; do queue $name 1; done
  command_of together 'mkdir -p begun/$q' 'until [ "$(ls begun | wc -l)" = 3 ]; do sleep 0.02; done' "$log_all"
  lanes --lanes 3 ./together
  ended 0
  in_order 1
  rm log
  for name in a b c; do rm -r many/$name seq-$name; queue $name 3; done
  command_of alone 'mkdir busy || exit 7' "$log_all" 'rmdir busy'
  lanes --lanes 1 ./alone
  ended 0
  in_order 3
}

@test "lanes: several -q, and no --all" {
  queue a 2
  queue b 2
  queue c 2
  command_of run "$log_all"
  penstock queue-process -q many/a -q many/c ./run
  [ "$(sort log | paste -sd,)" = "a 1,a 2,c 1,c 2" ]
}

@test "lanes: one that fails holds up nobody, and its status is the whole one's" {
  queue a 2
  queue b 2
  queue c 2
  command_of run '[ $q = b ] && exit 3' "$log_all"
  lanes --lanes 2 ./run
  ended 1
  [ "$(sort log | paste -sd,)" = "a 1,a 2,c 1,c 2" ]
  grep -q "many/b: job 1 .* failed: the command exited 3" err
  [ "$(wc -l <err)" = 1 ]
}

@test "lanes: one that stands still holds up nobody" {
  local name
  for name in a b c d; do queue $name 2; done
  mkfifo word
  command_of run '[ $q = a ] && read -r word <word' "$log_all"
  lanes --lanes 2 ./run
  until_true has_lines 6
  [ "$(awk '$1 == "a"' log | wc -l)" = 0 ]
  echo >word
  until_true has_lines 7
  echo >word
  ended 0
  in_order 2
}
has_lines() { [ "$(wc -l <log)" = "$1" ]; }

# As in the museum (tests/deadlocks/r15-own-writer.py): cat waits for the end of a pipe that it holds open for writing itself.
@test "lanes: one that is in a deadlock is named by the doctor, while the others run to their end" {
  local name
  for name in a b c; do queue $name 2; done
  : >log
  command_of run '[ $q != a ] || { true | sh -c "exec 4>/proc/self/fd/0; echo \$\$ >stuck; exec cat"; exit; }' \
    '[ $n != 2 ] || until [ -e go ]; do sleep 0.05; done' "$log_all"
  lanes --lanes 2 ./run
  until_true has_lines 1
  until_true waits_in_a_pipe
  diagnosed
  touch go
  until_true has_lines 4
  [ "$(paste -sd, log)" = "b 1,b 2,c 1,c 2" ]
  until_true others_are_drained
  diagnosed
  # What the doctor says that would free it.
  kill "$(cat stuck)"
  ended 1
  [ "$(cat many/a/nextseq)" = 1 ]
  grep -q "many/a: job 1 .* failed: the command exited 143" err && [ "$(grep -c "^penstock" err)" = 1 ]
}
others_are_drained() { [ "$(cat many/b/nextseq many/c/nextseq | paste -sd,)" = 3,3 ] && [ -z "$(ls many/b/jobs many/c/jobs | grep fspl-)" ]; }
waits_in_a_pipe() { [ -s stuck ] && [ "$(cat /proc/"$(cat stuck)"/comm)" = cat ] && grep -q pipe /proc/"$(cat stuck)"/wchan; }
# Asked about all lanes, the doctor accuses the one who is stuck, and nobody else.
diagnosed() {
  local code=0
  penstock doctor --json --interval 0.3 "$lanes" >found || code=$?
  [ $code = 1 ] && [ "$(/usr/bin/python3 -c '
import json, sys
print([(f["rule"], f["culprit"]["pid"]) for f in json.load(sys.stdin)["findings"] if f["severity"] == "stuck"])' <found)" = \
    "[('R15', $(cat stuck))]" ] || { cat found; fail "status $code"; }
}

@test "lanes: with more queues than lanes, a long one makes room" {
  queue a 15
  queue b 1
  command_of run '[ $q = b ] || sleep 0.2' "$log_all"
  lanes --lanes 1 --lane-time 1 ./run
  ended 0
  [ "$(awk '$1 == "a"' log | wc -l)" = 15 ]
  [ "$(awk '$1 == "a" { print $2 }' log | paste -sd' ')" = "$(seq -s' ' 15)" ]
  [ "$(tail -n 1 log)" != "b 1" ]
  rm log seq-a
  queue a2 12
  mv many/a many/a1
  lanes --lanes 1 --lane-time 1 --maxjobs 8 ./run
  ended 0
  [ "$(awk '$1 == "a2"' log | wc -l)" = 8 ] || { cat log; fail "--maxjobs counts each queue's jobs, over all its turns"; }
}

@test "lanes: in order of time a queue keeps its lane, and no job runs twice" {
  queue a 4
  queue b 1
  command_of run 'sleep 0.4' "$log_all" 'exit 1'
  lanes --lanes 1 --lane-time 1 --order-by Timestamp --on-error Leave ./run
  ended 0
  [ "$(paste -sd, log)" = "a 1,a 2,a 3,a 4,b 1" ] || { cat log; fail "not once each"; }
}

# Leaves three queues of two jobs, two of which are running and wait for a word each.
two_at_work() {
  local name
  for name in a b c; do queue $name 2; done
  mkfifo word-a word-b
  command_of run 'echo $q >>begun' 'read -r word <word-$q' "$log_all"
}
both_have_begun() { [ "$(sort begun 2>/dev/null | paste -sd,)" = a,b ]; }

@test "lanes: TERM with --drain-time: what runs is finished, nothing is begun" {
  two_at_work
  lanes --lanes 2 --drain-time 600 ./run
  until_true both_have_begun
  kill -TERM "$lanes"
  both_are_finished
}
# Though a signal has come: each gets its word, and nothing else is begun.
both_are_finished() {
  until_true both_wait
  echo >word-a
  until_true has_lines 1
  echo >word-b
  ended 143
  [ "$(sort log | paste -sd,)" = "a 1,b 1" ]
}
both_wait() { [ "$(grep -c "may take another 600 s" err)" = 2 ]; }

# As Ctrl-C does it, and systemd: each lane gets it twice, directly and passed on.
@test "lanes: TERM to all of them at once is not a second signal" {
  two_at_work
  setsid "$PENSTOCK" queue-process --all many --lanes 2 --drain-time 600 ./run >out 2>err </dev/null 3>&- &
  lanes=$!
  until_true both_have_begun
  local lane
  for lane in $(pgrep -P "$lanes") "$lanes"; do kill -TERM "$lane"; done
  both_are_finished
}

@test "lanes: a second TERM ends what runs, to run again" {
  two_at_work
  lanes --lanes 2 --drain-time 600 ./run
  until_true both_have_begun
  kill -TERM "$lanes"
  until_true both_wait
  kill -TERM "$lanes"
  ended 143
  [ ! -e log ]
  [ "$(grep -c "was running and will run again" err)" = 2 ]
}

@test "lanes: kill -9 of the one that made them ends them, and nothing is committed" {
  local name pid pids
  for name in a b; do queue $name 1; done
  mkfifo word
  printf '#!/bin/sh\necho $FSPL_SEQ >>begun\nread -r word <word\nexec %q %q\n' "${keep[0]}" "$T/got" >run
  chmod +x run
  lanes --lanes 2 ./run
  until_true two_begun
  pids=$(pgrep -P "$lanes")
  [ "$(wc -w <<<"$pids")" = 2 ]
  kill -KILL "$lanes"
  for pid in $pids; do until_true not_running "$pid"; done
  lanes=
  [ -z "$(ls got)" ] && [ "$(ls many/*/jobs/* | wc -l)" = 2 ]
  for name in a b; do until_true flock -n "many/$name/nextseq.lock" true; done
}
two_begun() { [ "$(wc -l <begun)" = 2 ]; }

@test "lanes: kill -9 of one is told, and the others go on" {
  queue a 1
  queue b 2
  mkfifo word
  command_of run '[ $q = a ] && { echo $n >begun; read -r word <word; }' "$log_all"
  lanes --lanes 1 ./run
  until_true [ -s begun ]
  kill -KILL "$(pgrep -P "$lanes")"
  ended 1
  grep -q "the run of many/a was killed by SIGKILL" err
  [ "$(paste -sd, log)" = "b 1,b 2" ]
}

@test "lanes: --prefix-output names the queue before each line, and mixes none" {
  local name
  for name in a b c; do queue $name 3; done
  command_of run 'for i in 1 2 3; do printf "%s one" $q; sleep 0.01; echo " two $n"; echo "bad $q" >&2; done' '[ $n = 3 ] && printf "no end"; true'
  lanes --lanes 3 --prefix-output ./run
  ended 0
  [ "$(wc -l <out)" = 30 ] || { cat out; fail "$(wc -l <out) lines"; }
  for name in a b c; do
    [ "$(grep -c "^many/$name: $name one two [123]$" out)" = 9 ] || { cat out; fail "lines of $name"; }
    [ "$(grep -c "^many/$name: bad $name$" err)" = 9 ]
  done
  [ "$(grep -c '^many/[abc]: no end$' out)" = 3 ]
}

# The output goes through the one that is killed, so each line is the job's death.
@test "lanes: kill -9 of the one that made them, with --drain-time and --prefix-output: no job's failure" {
  queue a 1
  command_of run 'echo >begun' 'for i in $(seq 600); do echo line $i; sleep 0.05; done'
  lanes --lanes 1 --drain-time 30 --prefix-output --on-error Delete ./run
  until_true [ -e begun ]
  local lane
  lane=$(pgrep -P "$lanes")
  kill -KILL "$lanes"
  until_true not_running "$lane"
  lanes=
  [ "$(ls many/a/jobs | wc -l)" = 1 ] && [ "$(cat many/a/nextseq)" = 1 ]
}

@test "lanes: a signal ends the wait for a lock" {
  queue a 1
  local holder
  flock many/a/nextseq.lock sleep 600 &
  holder=$!
  until_true locked many/a
  lanes --lock-wait 600 true
  until_true [ -n "$(pgrep -P "$lanes" || true)" ] || until_true pgrep -P "$lanes"
  kill -TERM "$lanes"
  ended 143
  pkill -P "$holder" || true
  wait "$holder" || true
}
locked() { ! flock -n "$1/nextseq.lock" true; }

@test "lanes: --prefix-output: whoever does not read keeps no signal from anybody" {
  queue a 1
  mkfifo out
  exec 5<>out
  command_of run 'echo >begun' 'exec yes'
  "$PENSTOCK" queue-process --all many --prefix-output ./run >out 2>err </dev/null 3>&- 5>&- &
  lanes=$!
  until_true [ -e begun ]
  until_true is_full
  kill -TERM "$lanes"
  ended 143
  exec 5>&-
  [ "$(cat many/a/nextseq)" = 1 ]
}
# Nothing is taken any more: the FIFO is as full as it gets.
is_full() { ! timeout 0.1 dd if=/dev/zero of=/dev/fd/5 bs=64k count=1 status=none 2>/dev/null; }

@test "lanes: with few descriptors all queues are drained" {
  local n
  for n in $(seq 30); do queue q$n 1; done
  command_of run "$log_all"
  for options in "" --prefix-output; do
    (ulimit -n 50; exec "$PENSTOCK" queue-process --all many --lanes 30 $options ./run) >out 2>err </dev/null || { cat err; fail "$options"; }
    [ ! -s err ] && in_order 1
    rm -r log many seq-*
    for n in $(seq 30); do queue q$n 1; done
  done
}

@test "lanes: one queue under two names is one; a broken one is told" {
  queue a 2
  ln -s a many/b
  command_of run "$log_all"
  lanes --lanes 2 ./run
  ended 0
  [ "$(paste -sd, log)" = "a 1,a 2" ] && [ ! -s err ]
  mkdir many/broken && echo 1 >many/broken/nextseq
  lanes --lanes 2 ./run
  ended 1
  grep -q "many/broken" err && [ "$(wc -l <err)" = 1 ]
}

@test "lanes: what makes no sense" {
  queue a 1
  ln -s many/a same
  refuse 2 "same is the same as many/a" -q many/a -q same
  refuse 2 "many/a/ is the same as many/a" -q many/a -q many/a/
  mkdir none
  refuse 2 "excludes\|exclude\|together" --all many -q many/a
  refuse 2 "is missing" --lanes 2
  refuse 2 "given twice" -q many/a -q many/a
  refuse 1 "there is no queue below none" --all none
  refuse 1 "cannot read nowhere: No such file or directory" --all nowhere
  refuse 2 "lanes" --all many --lanes 0
  [ "$(cat many/a/nextseq)" = 1 ]
}
refuse() {
  local wanted=$1 words=$2
  shift 2
  status=0
  penstock queue-process "$@" true >out 2>err || status=$?
  [ $status = "$wanted" ] && grep -q -- "$words" err && [ "$(wc -l <err)" -le 2 ] || { cat err; fail "$* gave $status"; }
}
