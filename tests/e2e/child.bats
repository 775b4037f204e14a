# What a command and a decoder are given: measured beside the real fspl, equal where that is a promise.
load helpers

setup_file() {
  cc -O1 -Wall -Wextra -Werror -o "$BATS_FILE_TMPDIR/child_report" "$BATS_TEST_DIRNAME/../support/child_report.c"
}

setup() {
  begin_test
  R=$BATS_FILE_TMPDIR/child_report
  cd "$T"
  printf 'payload\n' >payload
  export R
}

teardown() {
  cd /
  end_test
}

real=${FSPL_REAL:-/usr/bin/fspl}
need_fspl() { [ -x "$real" ] || skip "SKIPPED: no $real to compare with"; }

# new_queue [N]: a queue with N jobs (1), always the same.
new_queue() {
  local n
  rm -rf q
  "$PENSTOCK" queue-init -q q
  mkdir -p packets
  for ((n = 1; n <= ${1:-1}; n++)); do
    [ -e packets/fspl-$n.fspl ] ||
      FSPL_SET_SENT='by the job' "$PENSTOCK" prepare -s seq -i payload -- first 'second one' >packets/fspl-$n.fspl
    cp packets/fspl-$n.fspl q/jobs/
  done
}

# both COMMAND...: by the real one and by ours; what they are called is in WHO.
both() {
  WHO=fspl as_program "$real" "$@"
  WHO=penstock as_program "$PENSTOCK" "$@"
}

# In a file of its own, a child's standard output and error look alike in both.
as_program() {
  local program=$1 run=$2
  shift 2
  export WHO
  new_queue
  "$run" "$program" "$@" >out 2>err || { echo "$program ended with $?:"; cat out err; return 1; }
}

# What may differ between two processes that are treated alike.
facts() { # REPORT
  sed -E -e '/^pid: /d' -e 's/ number .*//' -e '/^fd [12]:/s/ offset -?[0-9]+//' \
    -e 's/(fspl|penstock)\.(command|decoder)$/WHO.\2/' -e '/^environment: (WHO|_)=/d' "$1" | LC_ALL=C sort
}

# differences KIND [PATTERN]: the lines that only one of both reports has, less those of PATTERN (by design).
differences() {
  diff <(facts "fspl.$1") <(facts "penstock.$1") | grep '^[<>]' | grep -vE "^[<>] (${2:-none})"
}

# By design: our parent is the keeper, it kills us when it dies; no terminal: a session and a group of our own.
by_design='parent: |death signal: |group: |session: '
job_labels='environment: PENSTOCK_(ATTEMPT|JOB)='

equal() { # KIND PATTERN
  local left
  left=$(differences "$@") || return 0
  echo "the $1 is treated differently from fspl's:"
  echo "$left"
  return 1
}

has() { # KIND LINE...: extended regular expressions, each a whole line
  local kind=$1 line
  shift
  for line in "$@"; do
    grep -qxE -- "$line" "penstock.$kind" || { echo "the $kind's report has no line $line:"; cat "penstock.$kind"; return 1; }
  done
}

has_no() { # KIND PATTERN
  ! grep -E -- "$2" "penstock.$1"
}

value() { sed -n "s/^$2: //p" "penstock.$1"; }

# Alone in its session and its group, with no terminal, and with nothing of ours among its descriptors.
is_apart() { # KIND
  has "$1" 'parent: gatekeeper' 'death signal: 9' 'terminal: none' || return 1
  [ "$(value "$1" group)" = "$(value "$1" pid)" ] || fail "the $1 is not the leader of its group"
  [ "$(value "$1" session)" != "$(ps -o sid= -p $$ | tr -d ' ')" ] || fail "the $1 is in our session"
}

plain() { env --default-signal "$1" queue-process -q q "${@:2}" "$R" -- "$T/$WHO.command" cat; }
decoded() { "$1" queue-process -q q -d "'$R' '$T/$WHO.decoder' cat" "${@:2}" "$R" -- "$T/$WHO.command" cat; }
from_stdin() { "$1" stdin-process "${@:2}" "$R" -- "$T/$WHO.command" cat <q/jobs/fspl-1.fspl; }

@test "a plain job: as fspl's, but stdin is a pipe with the payload only" {
  need_fspl
  both plain
  equal command "$by_design|$job_labels|fd 0:"
  has command 'fd 0: pipe: flags 00 .*' 'environment: PENSTOCK_ATTEMPT=1' 'environment: PENSTOCK_JOB=q#1' \
    'environment: FSPL_PARAM_2=second one' 'environment: FSPL_SET_SENT=by the job'
  [ "$(cat out)" = payload ]
  has_no command '^(blocked|ignored|pending) signal'
}

@test "a decoder and the command behind it: as fspl's, but the decoder's stderr is a pipe" {
  need_fspl
  both decoded
  equal command "$by_design|$job_labels"
  # What a shell would add to the environment, ours lacks when it sees through the string.
  equal decoder "$by_design|fd 2:|environment: (SHLVL|OLDPWD|PWD)="
  has decoder 'fd 0: .*/q/jobs/fspl-1.fspl flags .* offset 0' 'fd 1: pipe: .*' 'fd 2: pipe: .*'
  has_no decoder 'environment: (FSPL|PENSTOCK)_(SEQ|JOB|ATTEMPT)'
}

@test "an opaque decoder: as fspl's" {
  need_fspl
  opaque() { "$1" queue-process -q q -d "true && '$R' '$T/$WHO.decoder' cat" true; }
  both opaque
  equal decoder "$by_design|fd 2:"
}

@test "stdin-process: as fspl's, but stdin is a pipe with the payload only" {
  need_fspl
  both from_stdin
  equal command "$by_design|$job_labels|fd 0:"
  has command 'fd 0: pipe: flags 00 .*' 'environment: PENSTOCK_JOB=stdin#1'
  [ "$(cat out)" = payload ]
}

@test "--stdin file: the job file itself, as fspl's, positioned at the payload" {
  need_fspl
  as_file() { if [ "$1" = "$PENSTOCK" ]; then plain "$1" --stdin file; else plain "$1"; fi; }
  both as_file
  equal command "$by_design|$job_labels"
}

@test "folder, umask, limits and niceness of the caller reach both, as with fspl" {
  need_fspl
  in_odd_settings() {
    (
      mkdir -p here/q
      cd here
      rm -rf q && mv ../q q
      umask 0027
      ulimit -n 777 && ulimit -c 0 && ulimit -t 999 && ulimit -S -s 4096
      exec nice -n 7 "$1" queue-process -q q -d "'$R' '$T/$WHO.decoder' cat" "$R" -- "$T/$WHO.command" cat
    )
  }
  both in_odd_settings
  equal command "$by_design|$job_labels"
  equal decoder "$by_design|fd 2:|environment: (SHLVL|OLDPWD|PWD)="
  has command "cwd: $T/here" 'umask: 0027' 'nice: 7' 'limit 7: 777 777'
  has decoder "cwd: $T/here" 'umask: 0027' 'nice: 7' 'limit 7: 777 777'
}

@test "blocked signals of the caller are unblocked, an ignored SIGPIPE is not, others stay ignored, as with fspl" {
  need_fspl
  with_signals() {
    env --block-signal --ignore-signal=PIPE --ignore-signal=HUP --ignore-signal=INT --ignore-signal=QUIT \
      --ignore-signal=USR2 --ignore-signal=TSTP \
      "$1" queue-process -q q -d "'$R' '$T/$WHO.decoder' cat" "$R" -- "$T/$WHO.command" cat
  }
  both with_signals
  equal command "$by_design|$job_labels"
  equal decoder "$by_design|fd 2:|environment: (SHLVL|OLDPWD|PWD)="
  for kind in command decoder; do
    has_no $kind '^(blocked|pending) signal|^ignored signal: 13$'
    has $kind 'ignored signal: 1' 'ignored signal: 2' 'ignored signal: 3' 'ignored signal: 12' 'ignored signal: 20'
  done
}

@test "a caller that ignores SIGCHLD: statuses are not lost" {
  new_queue 2
  WHO=penstock run timeout -k 5 20 env --ignore-signal=CHLD "$PENSTOCK" queue-process -q q -d cat sh -- -c 'cat >/dev/null; exit 0'
  [ "$status" = 0 ] || fail "status $status: $output"
  [ "$(cat q/nextseq)" = 3 ]
  new_queue
  run timeout -k 5 20 env --ignore-signal=CHLD "$PENSTOCK" queue-process -q q sh -- -c 'exit 3'
  [ "$status" = 1 ]
  [[ $output == *'exited 3'* || $output == *'status 3'* ]] || fail "$output"
}

@test "stale FSPL_ variables of the caller do not reach the command" {
  new_queue
  WHO=penstock FSPL_PARAM_7=old FSPL_SET_X=old FSPL_JOB_FILENAME=old PENSTOCK_ATTEMPT=9 PENSTOCK_JOB=old OTHER=kept plain "$PENSTOCK"
  has command 'environment: OTHER=kept' 'environment: PENSTOCK_ATTEMPT=1' 'environment: FSPL_JOB_FILENAME=fspl-1.fspl'
  has_no command '=old$|FSPL_PARAM_7'
  new_queue
  WHO=penstock FSPL_PARAM_7=old FSPL_JOB_FILENAME=old from_stdin "$PENSTOCK"
  has_no command '=old$|FSPL_PARAM_7|FSPL_JOB_FILENAME'
}

@test "without a terminal: a session of the keeper's, and each job a process group in it" {
  new_queue
  WHO=penstock run setsid -w "$BASH" -c '"$PENSTOCK" queue-process -q q -d "$R $T/penstock.decoder cat | $R $T/penstock.second cat" \
    "$R" -- "$T/penstock.command" cat'
  [ "$status" = 0 ] || fail "$output"
  is_apart decoder
  for kind in second command; do
    [ "$(value $kind group)" = "$(value decoder pid)" ] || fail "the $kind is in another group"
    [ "$(value $kind session)" = "$(value decoder session)" ] || fail "the $kind is in another session"
    has $kind 'terminal: none'
  done
}

# Descriptors that the caller has open.

@test "inherited descriptors reach decoder and command, as with fspl, also above ours" {
  need_fspl
  with_descriptors() { "$1" queue-process -q q -d "'$R' '$T/$WHO.decoder' cat" "${@:2}" "$R" -- "$T/$WHO.command" cat 4<payload 9>>written 14<payload 63<payload 300<>payload; }
  both with_descriptors
  equal command "$by_design|$job_labels"
  equal decoder "$by_design|fd 2:|environment: (SHLVL|OLDPWD|PWD)="
  for kind in command decoder; do
    has $kind 'fd 4: .*/payload flags .*' 'fd 9: .*/written flags .*' 'fd 14: .*/payload .*' 'fd 63: .*/payload .*' 'fd 300: .*'
  done
}

@test "--close-fds keeps inherited descriptors away; run does so by default, --keep-fds passes them on" {
  new_queue
  WHO=penstock
  "$PENSTOCK" queue-process -q q --close-fds -d "'$R' '$T/penstock.decoder' cat" "$R" -- "$T/penstock.command" cat 4<payload 14<payload >out
  has_no decoder '^fd ([3-9]|[0-9]{2,}):'
  has_no command '^fd ([3-9]|[0-9]{2,}):'
  [ "$(cat out)" = payload ]
  "$PENSTOCK" run "$R" penstock.decoder cat payload '|' "$R" penstock.command cat 4<payload 14<payload
  has_no decoder '^fd ([3-9]|[0-9]{2,}):'
  has_no command '^fd ([3-9]|[0-9]{2,}):'
  "$PENSTOCK" run --keep-fds "$R" penstock.decoder cat payload '|' "$R" penstock.command cat 4<payload 14<payload
  has decoder 'fd 4: .*/payload .*' 'fd 14: .*/payload .*'
  has command 'fd 4: .*/payload .*' 'fd 14: .*/payload .*'
}

@test "--close-fds leaves a decoder's own redirections alone" {
  new_queue
  "$PENSTOCK" queue-process -q q --close-fds -d "'$R' '$T/penstock.decoder' cat 5<payload 2>/dev/null" true 4<payload
  has decoder 'fd 5: .*/payload .*' 'fd 2: /dev/null .*'
  has_no decoder '^fd ([346-9]|[0-9]{2,}):'
}

@test "gpg reads its passphrase from a descriptor of the caller's: a file, a pipe" {
  make_gpg_home "$T/gpg"
  echo secret >phrase
  decoder='gpg --batch -q --pinentry-mode loopback --passphrase-fd 3 -d'
  # One file waits, so one decoder reads the passphrase: for the header, and then for the job.
  new_secret() {
    rm -rf q seq
    "$PENSTOCK" queue-init -q q
    "$PENSTOCK" prepare -s seq -i payload |
      gpg --batch -q --pinentry-mode loopback --passphrase-fd 3 -c -o q/jobs/fspl-1.fspl 3<phrase
  }
  new_secret
  logged "$PENSTOCK" queue-process -q q -d "$decoder" cat 3<phrase
  [ "$(cat log)$(cat q/nextseq)" = payload2 ]
  new_secret
  logged "$PENSTOCK" queue-process -q q -d "$decoder" cat 3< <(echo secret)
  [ "$(cat log)$(cat q/nextseq)" = payload2 ]
  new_secret
  logged "$PENSTOCK" queue-process -q q "$R" -d "$decoder" -- "$T/penstock.command" "$BASH" -c 'cat; cat <&3' 3<phrase
  [ "$(cat log)$(cat q/nextseq)" = payload2 ]
  has command 'fd 3: .*/phrase .*'
  new_secret
  run "$PENSTOCK" queue-process -q q --close-fds -d "$decoder" cat 3<phrase
  [ "$(cat q/nextseq)" = 1 ] || fail "decoded without the passphrase"
}

# A helper that a failed job leaves behind holds what it inherited from our caller: that does not make it the job's.
daemon_that_keeps() { # FD
  mkfifo ready
  cat >daemon <<-'END'
	#!/bin/bash
	setsid -f sh -c 'echo $$ >ready; exec sleep 1000' </dev/null >/dev/null 2>&1
	cat ready >daemon.pid.new
	mv daemon.pid.new daemon.pid
	exec cat >/dev/null
	END
  cat >decoder <<-'END'
	#!/bin/bash
	cat
	until [ -s daemon.pid ]; do sleep 0.02; done
	exit 3
	END
  chmod +x daemon decoder
  new_queue
  # The reader of a pipe whose writer has gone.
  eval "exec $1< <(:)"
  [[ $(readlink "/proc/$BASHPID/fd/$1") == pipe:* ]]
  run "$PENSTOCK" queue-process -q q -d ./decoder ./daemon
  eval "exec $1<&-"
  [ "$status" = 1 ] || fail "status $status: $output"
  local pid
  pid=$(cat daemon.pid)
  [ -n "$pid" ] || fail "$output"
  [ -d "/proc/$pid" ] || fail "the daemon was ended with the job"
  kill "$pid"
}

@test "a daemon that left a failed job is left alone, though it holds a pipe of our caller's at 5" {
  daemon_that_keeps 5
}

@test "a daemon that left a failed job is left alone, though it holds a pipe of our caller's at 40" {
  daemon_that_keeps 40
}

# closed WHAT: with those descriptors closed by the caller, all is as with fspl, which has /dev/null there.
closed() {
  eval "closed_here() { \"\$1\" queue-process -q q -d \"'\$R' '\$T/\$WHO.decoder' cat\" \"\$R\" -- \"\$T/\$WHO.command\" true $1; }"
  both closed_here
  equal command "$by_design|$job_labels"
  equal decoder "$by_design|fd 2:|environment: (SHLVL|OLDPWD|PWD)="
  for kind in command decoder; do
    has_no $kind '^fd [12]: .*(anon_inode|socket|/q)'
  done
  [ "$(cat q/nextseq)" = 2 ] || fail "$1: the job was not done"
}

@test "a caller that closed stdin" {
  need_fspl
  closed '<&-'
  # Of a job's processes none inherits it; the only stage of a `run` does.
  "$PENSTOCK" run "$R" penstock.first true <&-
  has first 'fd 0: /dev/null .*'
}

@test "a caller that closed stdout" {
  need_fspl
  closed '>&-'
}

@test "a caller that closed stderr" {
  need_fspl
  closed '2>&-'
}

@test "a caller that closed all three" {
  need_fspl
  closed '<&- >&- 2>&-'
}

@test "every command survives closed descriptors" {
  new_queue
  for closing in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
    for words in 'queue-ls -q q' 'queue-info -q q -j 1' 'queue-payload -q q -j 1' 'stdin-info' 'stdin-payload' \
      'stdin-process cat' 'queue-write -q q' 'prepare -s seq -i payload' 'prepare -s seq -i -' 'queue-get-next -q q' \
      'run cat | cat' 'gen-uuid' 'queue-process -q q --maxjobs 0 true'; do
      [ "$words" != 'run cat | cat' ] || words="run cat '|' cat"
      status=0
      eval "timeout 20 \"\$PENSTOCK\" $words $closing" >out 2>err || status=$?
      [ $status -le 2 ] || [ $status = 125 ] || fail "$words $closing: $status $(cat err)"
    done
  done
  # Nothing of ours took the place of a closed descriptor and was written to.
  [ "$(cat q/nextseq)" = 1 ]
  "$PENSTOCK" queue-info -q q -j 1 >/dev/null
}

# Descriptors over a long run.

@test "300 jobs: neither processor nor keeper has more descriptors at the end" {
  new_queue 300
  cat >count <<-'END'
	#!/bin/bash
	cat >/dev/null
	keeper=$PPID
	read -r _ _ _ processor _ </proc/$keeper/stat
	set -- /proc/$processor/fd/*
	p=$#
	set -- /proc/$keeper/fd/*
	echo "$FSPL_SEQ $p $#" >>counts
	END
  chmod +x count
  for options in '' '-d cat' '-d cat|cat --gate eof' '--verify before'; do
    rm -f counts
    echo 1 >q/nextseq
    case $options in
    '-d cat|cat --gate eof') logged "$PENSTOCK" queue-process -q q --never-delete -d 'cat | cat' --gate eof ./count ;;
    # shellcheck disable=SC2086
    *) logged "$PENSTOCK" queue-process -q q --never-delete $options ./count ;;
    esac
    [ "$(wc -l <counts)" = 300 ]
    most_early=$(awk '$1 >= 5 && $1 <= 30 { if ($2 > p) p = $2; if ($3 > k) k = $3 } END { print p, k }' counts)
    most_late=$(awk '$1 >= 270 { if ($2 > p) p = $2; if ($3 > k) k = $3 } END { print p, k }' counts)
    echo "descriptors (processor, keeper) with '$options': at most $most_early near job 10, $most_late near job 290" >&3
    read -r p k <<<"$most_early"
    read -r p2 k2 <<<"$most_late"
    [ "$p2" -le $((p + 4)) ] && [ "$k2" -le $((k + 4)) ] || fail "'$options': $most_early, then $most_late"
  done
}
