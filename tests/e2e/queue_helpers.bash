# Loaded by tests about what a gate lets through: one queue, its jobs, and a command that commits at end-of-file.
#
#   T/q        the queue
#   T/got/N    what the command made of job N, once it had seen the end of its input
load helpers

setup() { begin_queue_test; }

begin_queue_test() {
  begin_test
  penstock queue-init -q "$T/q"
  mkdir "$T/got"
  jobs=0
  # The command: stores its input and renames it at end-of-file.
  keep=("$root/tests/support/commit_at_eof" -- "$T/got")
  cd "$T" || return 1
}

teardown() {
  cd / || return 1
  end_test
}

# add_job [ENCODER...] <PAYLOAD: the next job, encoded, under a name that we know.
add_job() {
  [ $# -gt 0 ] || set -- cat
  jobs=$((jobs + 1))
  penstock prepare -s "$T/seq" -i - | "$@" >"$T/q/jobs/fspl-$jobs.fspl"
}

# counting_decoder: T/decoder, which unpacks gzip and counts how often it is begun.
counting_decoder() {
  printf '#!/bin/sh\necho x >>%s/begun\nexec gzip -dc\n' "$T" >"$T/decoder"
  chmod +x "$T/decoder"
  : >"$T/begun"
}

# began N WORDS: since the last time, so many decoders.
began() {
  local count
  count=$(wc -l <"$T/begun")
  : >"$T/begun"
  [ "$count" = "$1" ] || { [ ! -e "$T/err" ] || show; fail "$count decoders began, not $1: $2"; }
}

random_bytes() { head -c "$1" /dev/urandom; }

# process OPTION... COMMAND...: one run over the queue; leaves `status`, `took` (seconds), T/out and T/err.
process() {
  local began=$SECONDS
  status=0
  timeout -k 5 "${limit:-60}" "$PENSTOCK" queue-process -q "$T/q" "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
  took=$((SECONDS - began))
}

show() { echo "exit status $status after $took s"; sed 's/^/stderr: /' "$T/err"; }

# succeeded N: jobs up to N are done, and nothing is left of them.
succeeded() {
  if [ "$status" != 0 ] || [ "$(cat "$T/q/nextseq")" != $(($1 + 1)) ] || [ -e "$T/q/jobs/fspl-$1.fspl" ]; then
    show
    fail "job $1 is not done"
  fi
}

# refused N WORDS: job N failed, says WORDS, stays, and was not committed.
refused() {
  failed_job "$1" "$2" && not_committed "$1"
}

# failed_job N WORDS: the same for a command that may have acted.
failed_job() {
  if [ "$status" != 1 ] || [ "$(cat "$T/q/nextseq")" != "$1" ] || [ ! -e "$T/q/jobs/fspl-$1.fspl" ]; then
    show
    fail "job $1 has not failed as it should"
  fi
  says "$2"
}

says() { grep -qF -- "$1" "$T/err" || { show; fail "does not say: $1"; }; }
says_not() { if grep -qF -- "$1" "$T/err"; then show; fail "says: $1"; fi; }

not_committed() {
  [ ! -e "$T/got/$1" ] || { show; fail "COMMITTED: job $1"; }
}

# until_true COMMAND...: waits for it, half a minute at most.
until_true() {
  local tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "waited in vain for: $*" || return 1
    sleep 0.05
  done
}

# ended_with PID STATUS: our child PID has ended, within half a minute, and so. Its words are in `err`.
ended_with() {
  local status=0
  until_true not_running "$1" || { cat err; fail "it goes on"; } || return 1
  wait "$1" || status=$?
  [ $status = "$2" ] || { cat err; fail "status $status, not $2"; }
}
not_running() { case $(ps -o stat= -p "$1") in '' | Z*) ;; *) return 1 ;; esac; }

# command_of NAME LINE...: a shell script for jobs of one line each; in it, $q is the queue's name and $n the job's number.
command_of() {
  local name=$1
  shift
  printf '%s\n' '#!/bin/sh' 'q=${FSPL_JOB_FULLPATH%%/jobs/*} q=${q##*/} n=$FSPL_SEQ' 'read -r payload' "$@" >"$name"
  chmod +x "$name"
}
log_all='echo "$q $n" >>log'
