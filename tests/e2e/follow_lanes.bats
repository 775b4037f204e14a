# --follow of many queues: each in its own order as its jobs arrive, none held up by another, nothing done where nothing comes.
load queue_helpers

bats_require_minimum_version 1.5.0

setup() {
  begin_queue_test || return 1
  mkdir many
  command_of run "$log_all"
  : >log
}

teardown() {
  [ -z "${follower:-}" ] || kill -KILL "$follower" 2>/dev/null || true
  cd / || return 1
  end_test
}

# queue NAME...: many/NAME, empty.
queue() {
  local name
  for name; do penstock queue-init -q "many/$name"; done
}

# arrive NAME N...: those jobs come to many/NAME, as fspl brings them.
arrive() {
  local name=$1 n
  shift
  for n; do
    printf '%s\n' "$n" >seq
    echo "payload $n" | penstock prepare -s seq -i - | fspl queue-write -q "many/$name"
  done
}

# follow_given / follow_all OPTION... COMMAND: in the background; leaves `follower`. Nothing is looked at again unless the
# kernel tells, or `rescan` says after how many seconds.
follow_given() {
  "$PENSTOCK" queue-process --follow --rescan-every "${rescan:-3600}" "$@" >out 2>err </dev/null 3>&- &
  follower=$!
}
follow_all() { follow_given --all many "$@"; }

# ended STATUS: it has; see ended_with.
ended() {
  ended_with "$follower" "$1" || { if not_running "$follower"; then follower=; fi; return 1; }
  follower=
}
end_it() { kill -TERM "$follower" && ended "${1:-0}"; }

# done_in NAME N...: these jobs of many/NAME have run, in this order.
done_in() {
  local name=$1
  shift
  [ "$(awk -v q="$name" '$1 == q { print $2 }' log | paste -sd' ')" = "$*" ]
}
err_has() { grep -q -- "$1" err; }
err_has_once() { [ "$(grep -c -- "$1" err)" = 1 ] || { cat err; fail "not once: $1"; }; }
number_is() { [ "$(cat "many/$1/nextseq")" = "$2" ]; }

# at_rest [N]: the follower has N children, none by default, and nothing to do.
at_rest() { [ "$(pgrep -c -P "$follower")" = "${1:-0}" ] && [ "$(cut -d' ' -f3 "/proc/$follower/stat")" = S ]; }

@test "follow many: jobs run as they arrive, each queue in its own order, and TERM ends it with 0" {
  queue a b c
  arrive a 1
  follow_all --lanes 2 ./run
  until_true done_in a 1
  arrive b 2
  arrive a 3
  arrive c 1
  until_true done_in c 1
  arrive a 2
  until_true done_in a 1 2 3
  until_true err_has "many/b: .*waiting for job 1; "
  arrive b 3 1
  until_true done_in b 1 2 3
  arrive c 2
  until_true done_in c 1 2
  end_it
  err_has_once "many/b: .*waiting for job 1"
  err_has_once "ended by SIGTERM"
}

@test "follow many: several -q, and no others" {
  queue a b c
  follow_given -q many/a -q many/c --lanes 1 ./run
  arrive b 1
  arrive c 1
  arrive a 1
  until_true done_in a 1
  until_true done_in c 1
  arrive c 2
  until_true done_in c 1 2
  end_it
  number_is b 1 && done_in b
}

@test "follow many: a hundred jobs in ten queues, in any order, by twenty writers at once, in three lanes" {
  local n queues="a b c d e f g h i j"
  # shellcheck disable=SC2086
  queue $queues
  for n in 1 2 3 4 5 6 7 8 9 10; do
    printf '%s\n' $n >seq
    echo "payload $n" | penstock prepare -s seq -i - | zstd -q >packet-$n
  done
  follow_all --lanes 3 -d 'zstd -dcq' ./run
  local queue
  for queue in $queues; do for n in 1 2 3 4 5 6 7 8 9 10; do echo "$queue $n"; done; done | shuf |
    xargs -P 20 -L 1 sh -c '"$PENSTOCK" queue-write -q many/$0 <packet-$1'
  for queue in $queues; do until_true done_in $queue 1 2 3 4 5 6 7 8 9 10; done
  until_true at_rest
  end_it
  [ -z "$(ls many/*/jobs | grep fspl-)" ]
}

@test "follow many: what comes after a turn has looked for the last time is run by the next one" {
  queue a b
  printf '#!/bin/sh\necho >>begun\n[ -e go ] || read -r word <word\nexec gzip -dc\n' >decoder
  chmod +x decoder
  mkfifo word
  : >begun
  packed 5
  follow_all --lanes 2 --no-builtin-decoders -d "$T/decoder" ./run
  until_true has_begun 1
  # Read when it looks once more, as the next number is not there; and nothing later than this.
  packed 6
  echo >word
  until_true has_begun 2
  packed 1
  touch go
  echo >word
  until_true done_in a 1
  end_it
}
packed() {
  printf '%s\n' "$1" >seq
  echo payload | penstock prepare -s seq -i - | gzip >aside
  mv aside "many/a/jobs/fspl-$1.fspl"
}

@test "follow many: one whose command hangs holds up no other, and is ended by a signal" {
  queue a b c
  command_of run '[ $q = a ] && { echo >begun; read -r word <word; }' "$log_all"
  mkfifo word
  follow_all --lanes 2 --drain-time 600 ./run
  arrive a 1 2
  until_true [ -e begun ]
  arrive b 1
  arrive c 1
  until_true done_in b 1
  until_true done_in c 1
  arrive b 2
  until_true done_in b 1 2
  kill -TERM "$follower"
  until_true err_has "may take another 600 s"
  arrive c 2
  echo >word
  ended 0
  done_in a 1 && done_in c 1 && number_is a 2
}

@test "follow many: while all lanes are taken, what is due waits for one, and nobody looks at the clock" {
  queue a b
  command_of run 'echo >begun' '[ $q = b ] || read -r word <word' "$log_all"
  mkfifo word
  rescan=1 follow_all --lanes 1 --drain-time 600 ./run
  arrive a 1
  until_true [ -e begun ]
  sleep 1.2 # b is due
  local before
  before=$(wakeups)
  sleep 1
  # The look at the directory, and what that may have begun with.
  [ $(($(wakeups) - before)) -le 3 ] || fail "$(($(wakeups) - before)) wakeups"
  arrive b 1
  echo >word
  until_true done_in b 1
  end_it
}

@test "follow many: TERM without --drain-time cuts a running job short, and it will run again" {
  queue a b
  command_of run 'echo >begun' '[ -e go ] || read -r word <word' "$log_all"
  mkfifo word
  arrive a 1
  follow_all --lanes 2 ./run
  until_true [ -e begun ]
  end_it 143
  err_has_once "many/a: .*was running and will run again"
  number_is a 1 && done_in a
  touch go
  follow_all --lanes 2 ./run
  until_true done_in a 1
  until_true at_rest
  end_it
}

@test "follow many: one that fails is told once and left alone, and the others go on; its status is the last word" {
  queue a b c
  command_of run '[ $q = b ] && exit 3' "$log_all"
  follow_all --lanes 2 ./run
  arrive b 1
  until_true err_has "many/b: job 1 .* failed: the command exited 3"
  arrive a 1
  arrive b 2
  arrive c 1
  until_true done_in a 1
  until_true done_in c 1
  until_true at_rest
  end_it 1
  err_has_once "failed"
  number_is b 1
}

@test "follow many: with a retry delay one that fails is tried again, and the others go on" {
  queue a b
  command_of run '[ $q = b ] && [ ! -e good ] && exit 3' "$log_all"
  follow_all --lanes 1 --retry-delay 1s ./run
  arrive b 1
  until_true err_has "many/b: job 1 .* failed: .*; the next one is due at"
  arrive a 1
  until_true done_in a 1
  touch good
  until_true done_in b 1
  end_it
}

@test "follow many: one that was left alone has another chance when its number is set, or a job file removed" {
  queue a b
  command_of run '[ $n = 1 ] && exit 3' "$log_all"
  arrive a 1 2
  follow_all --detailed-exit ./run
  until_true err_has "many/a: job 1 .* failed"
  until_true at_rest
  until_true penstock queue-set-next -q many/a 2
  until_true done_in a 2
  arrive b 2
  printf '2\n' >seq
  echo rival | penstock prepare -s seq -i - >rival
  mv rival many/b/jobs/fspl-rival.fspl
  until_true err_has "many/b: .*waiting for job 1"
  until_true penstock queue-set-next -q many/b 2
  until_true err_has "many/b: .*fspl-rival.fspl.*left alone"
  until_true at_rest
  rm many/b/jobs/fspl-rival.fspl
  until_true done_in b 2
  until_true at_rest
  end_it
  err_has_once "fspl-rival.fspl"
}

@test "follow many: a job that fails whose file was removed while it ran blocks nothing" {
  queue a
  mkfifo word
  command_of run '[ -e word ] && { read -r word <word; rm word; exit 3; }' "$log_all"
  arrive a 1
  follow_all ./run
  until_true at_rest 1
  rm many/a/jobs/*
  echo >word
  until_true err_has "many/a: job 1 .* failed"
  until_true at_rest
  arrive a 2 1
  until_true done_in a 1 2
  end_it
}

@test "follow many: when all that were given are left alone, it ends with the first one's status" {
  queue a b
  command_of run '[ $q = a ] && { echo >begun; read -r word <word; }' 'exit 3'
  mkfifo word
  arrive a 1
  arrive b 1
  rm many/b/nextseq.lock
  follow_given -q many/b -q many/a --lanes 2 --detailed-exit ./run
  until_true err_has "many/b: "
  until_true [ -e begun ]
  echo >word
  ended 66
  err_has_once "many/a: job 1 .* failed: the command exited 3"
}

@test "follow many: a queue that is made, or put below DIR, is taken up; none there is no end" {
  follow_all --lanes 2 ./run
  until_true err_has "there is no queue below many yet"
  queue a
  arrive a 1
  until_true done_in a 1
  penstock queue-init -q elsewhere
  mv elsewhere many/b
  arrive b 1
  until_true done_in b 1
  mkdir many/c many/d
  : >many/e
  penstock queue-init --repair -q many/c
  arrive c 1
  until_true done_in c 1
  # A second name of a is no second queue, even where it would be the first.
  ln -s a many/0
  arrive a 3
  until_true err_has "many/a: .*waiting for job 2"
  until_true at_rest
  arrive a 2
  until_true done_in a 1 2 3
  until_true at_rest
  end_it
  [ "$(wc -l <err)" = 3 ] || { cat err; fail "more than three lines"; }
}

@test "follow many: a queue that is removed or renamed below DIR is no failure" {
  queue a b c
  arrive a 1
  follow_all --lanes 2 ./run
  until_true done_in a 1
  rm -r many/b
  until_true err_has "many/b is gone"
  mv many/a many/d
  until_true err_has "many/a is gone"
  arrive d 2
  until_true done_in d 2
  queue b
  arrive b 1
  until_true done_in b 1
  arrive c 1
  until_true done_in c 1
  end_it
  [ "$(wc -l <err)" = 3 ] || { cat err; fail "more than three lines"; }
}

@test "follow many: a queue that vanishes or is broken is told once, looked at again, and the others go on" {
  queue a b c
  rm -r many/c/jobs
  rescan=1 follow_given -q many/a -q many/b -q many/c ./run
  until_true err_has "many/c is not a queue: it has no jobs directory"
  mv many/a aside
  until_true err_has "many/a: "
  sleep 2.5 # it is looked at twice
  arrive b 1
  until_true done_in b 1
  err_has_once "many/c: "
  err_has_once "many/a: "
  mv aside many/a
  arrive a 1
  until_true done_in a 1
  end_it 1
}

@test "follow many: a broken queue is taken up as soon as it is repaired" {
  queue a b
  rm -r many/b/jobs
  follow_all ./run
  until_true err_has "many/b is not a queue: it has no jobs directory"
  penstock queue-init --repair -q many/b
  arrive b 1
  until_true done_in b 1
  until_true at_rest
  end_it
}

@test "follow many: another jobs directory in the place of the first is noticed" {
  queue a b
  follow_all ./run
  arrive a 1
  until_true done_in a 1
  mkdir many/a/new
  mv many/a/jobs many/a/old
  mv many/a/new many/a/jobs
  arrive a 2
  until_true done_in a 1 2
  arrive a 3
  until_true done_in a 1 2 3
  end_it
}

@test "follow many: the queues are free while nothing runs, and a new next number is noticed" {
  queue a b
  arrive a 7
  follow_all ./run
  until_true err_has "many/a: .*waiting for job 1; "
  until_true penstock queue-set-next -q many/a 7
  until_true done_in a 7
  arrive a 9
  until_true err_has "many/a: .*waiting for job 8; "
  # Another file in its place, with the same number: it is that one which is watched from now on.
  until_true fspl queue-set-next -q many/a 8
  until_true at_rest
  until_true penstock queue-set-next -q many/a 9
  until_true done_in a 7 9
  end_it
}

@test "follow many: somebody else has the lock of one: it waits its turn, the others do not" {
  queue a b
  arrive a 1
  exec 8<many/a/nextseq.lock
  flock 8
  follow_all --lanes 1 ./run
  until_true err_has "busy"
  arrive b 1
  until_true done_in b 1
  flock -u 8
  exec 8<&-
  until_true done_in a 1
  end_it
  err_has_once "busy"
}

@test "follow many: what is no job, and what is old, is told once" {
  queue a b
  echo garbage >many/a/jobs/fspl-bad.fspl
  printf '0\n' >seq
  penstock prepare -s seq -i - </dev/null >many/a/jobs/fspl-old.fspl
  follow_all ./run
  until_true err_has "fspl-bad.fspl is skipped"
  local n
  for n in 1 2 3; do
    arrive a $n
    until_true done_in a $(seq $n)
  done
  until_true at_rest
  end_it
  err_has_once fspl-bad
  err_has_once fspl-old
}

# A turn reads the headers by a decoder, which is counted here.
@test "follow many: an arrival in one queue is nothing to the others, and at rest nothing is done" {
  queue a b c
  follow_all --lanes 2 --no-builtin-decoders --no-index -d "$T/decoder" ./run
  counting_decoder
  for name in a b c; do
    printf '5\n' >seq
    echo payload | penstock prepare -s seq -i - | gzip >many/$name/jobs/fspl-5.fspl
    until_true err_has "many/$name: .*waiting for job 1"
  done
  until_true at_rest
  : >begun
  local before
  before=$(wakeups)
  printf '6\n' >seq
  echo payload | penstock prepare -s seq -i - | gzip >many/b/jobs/tmp
  mv many/b/jobs/tmp many/b/jobs/fspl-6.fspl
  until_true has_begun 2
  until_true at_rest
  # Two files in b, read by one turn; none of a or c.
  began 2 "for an arrival in b"
  [ $(($(wakeups) - before)) -le 6 ] || fail "$(($(wakeups) - before)) wakeups for an arrival"
  before=$(wakeups)
  sleep 1
  [ "$(wakeups)" = "$before" ] || fail "$(($(wakeups) - before)) wakeups for nothing"
  end_it
}
has_begun() { [ "$(wc -l <begun)" -ge "$1" ]; }
wakeups() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$follower/status"; }

@test "follow many: with one lane, a long backlog in one queue makes room for an arrival in another" {
  queue a b
  command_of run '[ $q = b ] || sleep 0.2' "$log_all"
  # shellcheck disable=SC2046
  arrive a $(seq 15)
  follow_all --lanes 1 --lane-time 1 ./run
  until_true done_in a 1
  arrive b 1
  # shellcheck disable=SC2046
  until_true done_in a $(seq 15)
  end_it
  [ "$(tail -n 1 log)" != "b 1" ] && done_in b 1
}

@test "follow many: kill -9 of one lane is told, and the others go on; its job runs again" {
  queue a b
  command_of run '[ $q = b ] || [ -e go ] || { echo >begun; read -r word <word; }' "$log_all"
  mkfifo word
  arrive a 1
  rescan=1 follow_all --lanes 2 ./run
  until_true [ -e begun ]
  kill -KILL "$(pgrep -P "$follower")"
  touch go
  until_true err_has "the run of many/a was killed by SIGKILL"
  arrive b 1
  until_true done_in b 1
  until_true done_in a 1
  end_it
}

@test "follow many: kill -9 of the one that made them ends them, and nothing is committed" {
  queue a b
  command_of run 'echo $q >>begun' 'read -r word <word' "$log_all"
  mkfifo word
  arrive a 1
  arrive b 1
  follow_all --lanes 2 ./run
  until_true has_begun 2
  local pid pids
  pids=$(pgrep -P "$follower")
  [ "$(wc -w <<<"$pids")" = 2 ]
  kill -KILL "$follower"
  for pid in $pids; do until_true not_running "$pid"; done
  follower=
  number_is a 1 && number_is b 1
}

@test "follow many: --prefix-output names the queue before each line, turn after turn; one -q is enough" {
  queue a b
  command_of run 'printf "%s one" $q; sleep 0.01; echo " two $n"; echo "bad $q" >&2' "$log_all"
  follow_all --lanes 2 --prefix-output ./run
  arrive a 1 2
  arrive b 1
  until_true done_in a 1 2
  until_true done_in b 1
  arrive a 3
  until_true done_in a 1 2 3
  until_true at_rest
  end_it
  [ "$(grep -c '^many/a: a one two [123]$' out)" = 3 ] && [ "$(wc -l <out)" = 4 ]
  [ "$(grep -c '^many/a: bad a$' err)" = 3 ]
  follow_given -q many/b --prefix-output ./run
  arrive b 2
  until_true grep -q '^many/b: b one two 2$' out
  end_it
}

@test "follow many: its own memory does not grow with the queues, nor its descriptors with their turns" {
  local n
  for n in $(seq 60); do queue q$n; done
  follow_all --lanes 3 ./run
  arrive q1 1
  until_true has_logged 1
  until_true at_rest
  local before
  before=$(ls "/proc/$follower/fd" | wc -l)
  for n in $(seq 2 60); do arrive q$n 1; done
  until_true has_logged 60
  until_true at_rest
  [ "$(ls "/proc/$follower/fd" | wc -l)" = "$before" ]
  [ "$(awk '/^RssAnon/ { print $2 }' "/proc/$follower/status")" -lt 2048 ]
  end_it
}
has_logged() { [ "$(wc -l <log)" = "$1" ]; }

@test "follow many: with few descriptors, or none for a while, all queues are drained" {
  local n
  for n in $(seq 20); do queue q$n; arrive q$n 1; done
  (ulimit -n 45; exec "$PENSTOCK" queue-process --follow --all many --lanes 20 --prefix-output ./run) >out 2>err </dev/null 3>&- &
  follower=$!
  until_true has_logged 20
  until_true at_rest
  prlimit --nofile=10:45 --pid "$follower"
  arrive q1 2
  until_true err_has "trying again every 2 s"
  prlimit --nofile=45:45 --pid "$follower"
  until_true done_in q1 1 2
  end_it
  [ "$(wc -l <err)" = 2 ] || { cat err; fail "more than two lines"; }
}

@test "follow many: where the kernel tells of nothing, it is told once and each is looked at every --rescan-every" {
  queue a b
  # No inotify: its limit for this user is reached by somebody else. strace stands for that.
  strace -f -o /dev/null -e trace=inotify_init1 -e inject=inotify_init1:error=EMFILE \
    "$PENSTOCK" queue-process --follow --all many --rescan-every 1 ./run >out 2>err </dev/null 3>&- &
  follower=$!
  until_true err_has "the kernel does not tell of new files"
  arrive a 1
  arrive b 1
  until_true done_in a 1
  until_true done_in b 1
  queue c
  arrive c 1
  until_true done_in c 1
  kill -TERM "$(pgrep -P "$follower")"
  ended 0
  err_has_once "the kernel does not tell"
}

@test "follow many: what makes no sense" {
  queue a
  refuse 2 "given twice" -q many/a -q many/a
  refuse 1 "cannot read nowhere: No such file or directory" --all nowhere
  refuse 2 "--maxjobs" --all many --maxjobs 1
  refuse 2 "order-by" --all many --order-by Timestamp
}
refuse() {
  local wanted=$1 words=$2
  shift 2
  status=0
  timeout 30 "$PENSTOCK" queue-process --follow "$@" true >out 2>err || status=$?
  [ $status = "$wanted" ] && grep -q -- "$words" err || { cat err; fail "$* gave $status"; }
}
