# --follow: jobs run as they arrive, nothing is held while nothing is to be done, and a signal ends it in good order.
load queue_helpers

bats_require_minimum_version 1.5.0

teardown() {
  [ -z "${follower:-}" ] || kill -KILL "$follower" 2>/dev/null || true
  cd / || return 1
  end_test
}

# follow OPTION... COMMAND...: in the background; leaves `follower`. Nothing is looked for again unless the kernel tells.
follow() {
  "$PENSTOCK" queue-process -q q --follow --rescan-every 3600 "$@" >out 2>err </dev/null 3>&- &
  follower=$!
}

# ended STATUS: it has; see ended_with.
ended() {
  ended_with "$follower" "$1" || { if not_running "$follower"; then follower=; fi; return 1; }
  follower=
}

# arrive N: job N comes, as fspl brings it.
arrive() {
  printf '%s\n' "$1" >seq
  echo "payload $1" | penstock prepare -s seq -i - | fspl queue-write -q q
}

number_is() { [ "$(cat q/nextseq)" = "$1" ]; }
err_has() { grep -q "$1" err; }

@test "follow: jobs run as they arrive, in their order, and TERM ends it with 0" {
  arrive 1
  follow "${keep[@]}"
  until_true number_is 2
  arrive 2
  until_true number_is 3
  arrive 5
  arrive 4
  until_true err_has "waiting for job 3; "
  [ ! -e got/4 ]
  arrive 3
  until_true number_is 6
  kill -TERM "$follower"
  ended 0
  [ "$(cat got/5)" = "payload 5" ] && [ "$(ls q/jobs | wc -l)" = 0 ]
  [ "$(grep -c "waiting for job" err)" = 1 ] || { cat err; fail "the same gap was told again"; }
  grep -q "ended by SIGTERM" err
}

@test "follow: the queue is free while nothing runs, and a new next number is noticed" {
  arrive 7
  follow "${keep[@]}"
  until_true err_has "waiting for job 1; "
  until_true penstock queue-set-next -q q 7
  until_true number_is 8
  arrive 9
  until_true err_has "waiting for job 8; "
  until_true fspl queue-set-next -q q 9
  until_true number_is 10
  kill -HUP "$follower"
  ended 0
}

@test "follow: somebody else has the lock: it waits its turn" {
  arrive 1
  exec 8<q/nextseq.lock
  flock 8
  follow "${keep[@]}"
  until_true err_has "busy"
  flock -u 8
  exec 8<&-
  until_true number_is 2
  kill -TERM "$follower"
  ended 0
}

@test "follow: a file that is written in place is run once it is whole" {
  follow "${keep[@]}"
  printf '1\n' >seq
  random_bytes 100000 >payload
  penstock prepare -s seq -i payload --seal >packet
  mkfifo gate
  { head -c 50 packet; read -r <gate; tail -c +51 packet; } >q/jobs/fspl-slow.fspl &
  local writer=$!
  until_true err_has "fspl-slow.fspl is skipped"
  echo >gate
  wait $writer
  until_true number_is 2
  cmp payload got/1
  kill -TERM "$follower"
  ended 0
}

# A command that begins and then waits for a word.
waiting_command() {
  mkfifo word
  printf '#!/bin/sh\necho $FSPL_SEQ >begun\nread -r word <word\nexec %q %q\n' "${keep[0]}" "$T/got" >waits
  chmod +x waits
}
begun() { [ "$(cat begun 2>/dev/null)" = "$1" ]; }

@test "follow: with --drain-time the running job is finished, the next one not begun" {
  waiting_command
  arrive 1
  arrive 2
  follow --drain-time 600 ./waits
  until_true begun 1
  kill -TERM "$follower"
  until_true err_has "SIGTERM: the running job may take another 600 s"
  echo >word
  ended 0
  number_is 2
  [ -e got/1 ] && [ ! -e got/2 ]
}

@test "follow: after --drain-time, or a second signal, the job is ended and will run again" {
  waiting_command
  arrive 1
  follow --drain-time 1 ./waits
  until_true begun 1
  kill -TERM "$follower"
  ended 143
  number_is 1 && [ -e q/jobs/* ] && [ ! -e got/1 ]
  grep -q "was running and will run again" err
  rm begun
  follow --drain-time 600 ./waits
  until_true begun 1
  kill -TERM "$follower"
  until_true err_has "may take another 600 s"
  kill -TERM "$follower"
  ended 143
  number_is 1
  process "${keep[@]}"
  number_is 2 && [ "$(cat got/1)" = "payload 1" ]
}

@test "follow: --drain-time without --follow: the job is finished, and the signal told" {
  waiting_command
  arrive 1
  arrive 2
  "$PENSTOCK" queue-process -q q --drain-time 600 ./waits >out 2>err </dev/null 3>&- &
  follower=$!
  until_true begun 1
  kill -TERM "$follower"
  until_true err_has "may take another 600 s"
  echo >word
  ended 143
  number_is 2
}

@test "follow: a failed job ends it, unless it is to be tried again" {
  printf '#!/bin/sh\n[ -e good ] && exec %q %q\nexit 3\n' "${keep[0]}" "$T/got" >picky
  chmod +x picky
  arrive 1
  follow ./picky
  ended 1
  grep -q "job 1 .* failed: the command exited 3" err
  follow --retry-delay 1s ./picky
  until_true err_has "the next one is due at"
  : >good
  until_true number_is 2
  kill -TERM "$follower"
  ended 0
}

@test "follow: a job that fails by itself within --drain-time has failed" {
  waiting_command
  arrive 1
  printf '#!/bin/sh\necho 1 >begun\nread -r word <word\nexit 3\n' >waits
  follow --drain-time 600 ./waits
  until_true begun 1
  kill -TERM "$follower"
  until_true err_has "may take another 600 s"
  echo >word
  ended 1
  grep -q "job 1 .* failed: the command exited 3" err
  ! grep -q "will run again" err
}

@test "follow: within --drain-time, a job that dies by the same signal was cut short" {
  printf '#!/bin/sh\necho 1 >begun\necho $$ >pid\nread -r word <word\n' >waits
  mkfifo word
  chmod +x waits
  arrive 1
  follow --drain-time 600 ./waits
  until_true begun 1
  until_true [ -s pid ]
  kill -TERM "$follower"
  until_true err_has "may take another 600 s"
  kill -TERM "$(cat pid)"
  ended 143
  grep -q "will run again" err
}

@test "follow: another jobs directory in the place of the first is noticed" {
  arrive 2
  follow "${keep[@]}"
  until_true err_has "waiting for job 1; "
  arrive 1
  until_true number_is 3
  mkdir q/new
  mv q/jobs q/old
  mv q/new q/jobs
  arrive 3
  until_true number_is 4
  arrive 4
  until_true number_is 5
  kill -TERM "$follower"
  ended 0
}

@test "follow: what is no job, and what is old, is told once" {
  echo garbage >q/jobs/fspl-bad.fspl
  printf '0\n' >seq
  penstock prepare -s seq -i - </dev/null >q/jobs/fspl-old.fspl
  follow "${keep[@]}"
  until_true err_has "fspl-bad.fspl is skipped"
  local n
  for n in 1 2 3; do
    arrive $n
    until_true number_is $((n + 1))
  done
  kill -TERM "$follower"
  ended 0
  [ "$(grep -c fspl-bad err)" = 1 ] && [ "$(grep -c fspl-old err)" = 1 ] || { cat err; fail "told again"; }
}

@test "follow: a hundred jobs in any order, by fifty writers at once" {
  local n
  for ((n = 1; n <= 100; n++)); do
    printf '%s\n' $n >seq
    echo "payload $n" | penstock prepare -s seq -i - | zstd -q >packet-$n
  done
  follow -d 'zstd -dcq' "${keep[@]}"
  seq 100 | shuf | xargs -P 50 -I N sh -c "$(printf '%q' "$PENSTOCK") queue-write -q q <packet-N"
  until_true number_is 101
  kill -TERM "$follower"
  ended 0
  [ "$(ls got | wc -l)" = 100 ] && [ -z "$(ls q/jobs)" ]
}

# Each opens the number file at every run, which must be no news to the other.
@test "follow: two on one queue leave each other in peace" {
  arrive 2
  follow "${keep[@]}"
  local first=$follower
  until_true err_has "waiting for job 1; "
  "$PENSTOCK" queue-process -q q --follow --rescan-every 3600 "${keep[@]}" >out2 2>err2 </dev/null 3>&- &
  local second=$!
  until_true grep -q "waiting for job 1; \|busy" err2
  arrive 1
  until_true number_is 3
  until_true asleep $first $second
  kill -TERM $second
  wait $second
  kill -TERM "$first"
  ended 0
}
# The same time on the processor twice in a row, with time for a hundred runs between.
ticks() { cat "/proc/$1/stat" "/proc/$2/stat" | awk '{ print $14 + $15 + $16 + $17 }'; }
asleep() {
  local before
  before=$(ticks "$@")
  sleep 1
  [ "$(ticks "$@")" = "$before" ]
}

@test "follow: what contradicts it" {
  local words
  for words in "--maxjobs 1" "--no-rescan" "--lock-wait 5" "--order-by Timestamp"; do
    status=0
    # shellcheck disable=SC2086
    penstock queue-process -q q --follow $words true 2>err || status=$?
    [ $status = 2 ] && grep -q -- "--follow" err || { cat err; fail "$words"; } || return 1
  done
  rm -r q/jobs
  status=0
  penstock queue-process -q q --follow true 2>err || status=$?
  [ $status = 1 ] && grep -q jobs err && [ "$(wc -l <err)" = 1 ] || { cat err; fail "not one line"; }
}
