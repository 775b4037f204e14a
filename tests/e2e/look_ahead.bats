# Decoders that are begun while the job before runs: what is seen of them, and that whatever becomes of the two jobs, the same
# ones run as without. (How many are begun is in builtin.bats.)
load queue_helpers

bats_require_minimum_version 1.5.0

# That of queue_helpers; a decoder that tells of which job its file is, and a command that tells when it begins and ends.
# Whatever happens to another job while job N runs is done by `during N`, while its decoder is at work by `decoding N`, and can
# wait for a decoder by `decoder_of`.
setup() {
  begin_queue_test
  : >log
  cat >decoder <<'SH'
#!/bin/sh
file=$(readlink /proc/$$/fd/0)
n=${file##*-} n=${n%.fspl}
echo $$ >>"decoders-$n"
[ ! -e "broken-$n" ] || exit 9
echo "decoder $n" >>log
decoder_of() { until grep -qx "decoder $1" log; do sleep 0.02; done; }
[ ! -e "decoding-$n" ] || . "./decoding-$n"
exec gzip -dc
SH
  cat >command <<SH
#!/bin/bash
decoder_of() { until grep -qx "decoder \$1" log; do sleep 0.02; done; }
echo "begin \$FSPL_SEQ" >>log
[ ! -e during-\$FSPL_SEQ ] || . ./during-\$FSPL_SEQ
"${keep[0]}" "$T/got" || exit
echo "end \$FSPL_SEQ" >>log
SH
  chmod +x decoder command
}

# packet N WORDS [SIZE]: to stdout; it has SIZE random bytes behind the words, which no pipe takes.
packet() {
  printf '%s\n' "$1" >seq
  { echo "$2"; head -c "${3:-0}" /dev/urandom; } | penstock prepare -s seq -i - | gzip
}
waiting() {
  local n
  for n; do packet "$n" "payload $n" 2000000 >"q/jobs/fspl-$n.fspl"; done
  known
}
# An index that knows all jobs there are: then each decoder that is begun is begun for its job's turn.
known() {
  sleep 0.2 # a younger file is not remembered
  penstock queue-ls -q q -d ./decoder >list
  [ "$(grep -c fspl- list)" = "$(ls q/jobs | wc -l)" ] || { cat list; fail "they are not listed"; } || return 1
  : >log
  rm -f decoders-*
}
during() { printf '%s\n' "${@:2}" >"during-$1"; }
decoding() { printf '%s\n' "${@:2}" >"decoding-$1"; }
run_ahead() { limit=30 process -d ./decoder --look-ahead "$@" ./command; }

begun() { [ "$(sed -n 's/^begin //p' log | paste -sd,)" = "$1" ] || { show; cat log; fail "not these began: $1"; }; }
# before LINE LINE: both are in the log, once, and in this order.
before() {
  [ "$(grep -xc -e "$1" -e "$2" log)" = 2 ] && [ "$(grep -xn "$1" log | cut -d: -f1)" -lt "$(grep -xn "$2" log | cut -d: -f1)" ] ||
    { cat log; fail "not before $2: $1"; }
}
words_of() { head -n 1 "got/$1" | tr -d '\0'; }
# of N: all its decoders have ended.
decoders_are_gone() {
  local pid
  for pid in $(cat "decoders-$1"); do not_running "$pid" || return 1; done
}

@test "look-ahead: the next decoder is begun while a command runs, and not the one after it; the order is the same" {
  waiting 1 2 3 4
  during 1 'decoder_of 2'
  during 2 'decoder_of 3'
  run_ahead 1
  succeeded 4
  begun 1,2,3,4
  before "decoder 2" "end 1" && before "decoder 3" "end 2"
  before "end 1" "decoder 3" && before "end 2" "decoder 4"
  [ "$(grep -c decoder log)" = 4 ] || { cat log; fail "one for each job"; }
  for n in 1 2 3 4; do [ "$(words_of $n)" = "payload $n" ]; done
}

@test "look-ahead: while a decoder is waited for at its job's turn, the next one is at work, and not the one after it" {
  waiting 1 2 3 4
  decoding 2 'decoder_of 3'
  decoding 3 'decoder_of 4'
  run_ahead 1
  succeeded 4
  begun 1,2,3,4
  before "decoder 3" "begin 2" && before "decoder 4" "begin 3" && before "end 2" "decoder 4"
  [ "$(grep -c decoder log)" = 4 ] || { cat log; fail "one for each job"; }
}

@test "look-ahead: the same where their numbers are known from their names; never beyond --maxjobs" {
  waiting 1 2 3 4
  local n
  for n in 1 2 3 4; do mv q/jobs/fspl-$n.fspl q/jobs/fspl-$(cat /proc/sys/kernel/random/uuid)-$n.fspl; done
  rm q/penstock/index
  decoding 2 'decoder_of 3'
  decoding 3 'sleep 0.3'
  run_ahead 1 -n 3
  [ "$status" = 0 ] && [ "$(cat q/nextseq)" = 4 ] || { show; fail "not three jobs"; }
  begun 1,2,3
  before "decoder 3" "begin 2" && [ ! -e decoders-4 ]
}

@test "look-ahead: with 0 none is begun before its turn" {
  waiting 1 2 3
  # The processor and its keeper have seen that it runs, and have nothing to do but to wait for it.
  during 1 'idle() { grep -q poll /proc/$1/wchan; }' 'until idle $PPID && idle $(ps -o ppid= -p $PPID); do sleep 0.02; done'
  run_ahead 0
  succeeded 3
  begun 1,2,3
  before "end 1" "decoder 2" && before "end 2" "decoder 3"
}

@test "look-ahead: a job fails: what was begun for the next ones is ended, and none of them runs" {
  waiting 1 2 3
  during 1 'decoder_of 2; decoder_of 3; exit 3'
  run_ahead 2
  failed_job 1 "job 1 (fspl-1.fspl) failed: the command exited 3"
  begun 1
  decoders_are_gone 2 && decoders_are_gone 3
  [ -z "$(ls got)" ] && [ "$(ls q/jobs | wc -l)" = 3 ]
  rm during-1
  run_ahead 2
  succeeded 3
  for n in 1 2 3; do [ "$(words_of $n)" = "payload $n" ]; done
}

@test "look-ahead: a job fails and is passed over: what was begun for the next ones is theirs" {
  waiting 1 2 3
  during 1 'decoder_of 2; decoder_of 3; exit 3'
  run_ahead 2 --on-error Delete
  [ "$(cat q/nextseq)" = 4 ] && begun 1,2,3
  [ "$(words_of 2)" = "payload 2" ] && [ "$(words_of 3)" = "payload 3" ] && [ ! -e got/1 ]
  [ "$(wc -l <decoders-2)" = 1 ] && [ "$(wc -l <decoders-3)" = 1 ]
}

@test "look-ahead: a gap: nothing behind it is begun, and nothing runs in its place" {
  waiting 1 2 4 5
  during 1 'decoder_of 2'
  run_ahead 4
  [ "$status" = 0 ] && says "waiting for job 3; 2 later jobs are here"
  begun 1,2
  [ ! -e decoders-4 ] && [ ! -e decoders-5 ]
  # It is filled while the job before it runs.
  packet 0 "payload 0" >q/jobs/fspl-0.fspl && packet 1 "payload 1" >q/jobs/fspl-1.fspl
  printf '0\n' >q/nextseq
  packet 2 "payload 2" >fspl-2.fspl && packet 3 "payload 3" >fspl-3.fspl
  : >log
  during 1 'mv fspl-2.fspl fspl-3.fspl q/jobs/'
  run_ahead 4
  succeeded 5
  begun 0,1,2,3,4,5
  for n in 0 1 2 3 4 5; do [ "$(words_of $n)" = "payload $n" ]; done
}

@test "look-ahead: the next job vanishes while its decoder is begun: it is a gap" {
  waiting 1 2 3
  mkdir elsewhere
  during 1 'decoder_of 2; decoder_of 3; mv q/jobs/fspl-2.fspl elsewhere/'
  run_ahead 2
  begun 1
  says "waiting for job 2; one later job is here" || says "waiting for job 2; 1 later job is here"
  decoders_are_gone 2 && decoders_are_gone 3
  [ "$(cat q/nextseq)" = 2 ] && [ "$(ls got)" = 1 ]
  mv elsewhere/* q/jobs/
  run_ahead 2
  succeeded 3
  [ "$(words_of 2)" = "payload 2" ] && [ "$(words_of 3)" = "payload 3" ]
}

@test "look-ahead: what is replaced while its decoder is begun runs as it is now, and what was begun is ended" {
  waiting 1 2 3 4
  packet 2 "another 2" 2000000 >new-2
  packet 3 "another 3" 2000000 >new-3
  # One by another file, one in its place.
  during 1 'decoder_of 2; decoder_of 3; mv new-2 q/jobs/fspl-2.fspl; cat new-3 >q/jobs/fspl-3.fspl'
  run_ahead 3
  succeeded 4
  begun 1,2,3,4
  [ "$(words_of 2)" = "another 2" ] || fail "job 2 ran as $(words_of 2)"
  [ "$(words_of 3)" = "another 3" ] || fail "job 3 ran as $(words_of 3)"
  [ "$(words_of 4)" = "payload 4" ]
  decoders_are_gone 2 && decoders_are_gone 3
}

# outcome FOLDER N OPTION...: one run over a copy of the queue with --look-ahead N; into FOLDER what came of it. Where decoders
# are begun ahead, the command of job 1 ends after that of job 2 has been begun, and has failed if it is to.
outcome() {
  local folder=$1 n
  rm -rf q got broken-2 && cp -a saved q && mkdir got
  known
  [ "$way" != broken ] || : >broken-2
  case $2 in 0) rm -f during-1 ;; *) during 1 'until [ -s decoders-2 ]; do sleep 0.02; done' ;; esac
  run_ahead "${@:2}"
  mkdir "$folder"
  { echo "status $status"; cat q/nextseq; ls q/jobs; ls q/penstock/quarantine 2>/dev/null || true; } >"$folder/queue"
  sed -n 's/\(: job [0-9]* ([^)]*) failed\|: fspl-[0-9]*.fspl is skipped\|waiting for job [0-9]*\).*/\1/p' err >"$folder/said"
  for n in got/[0-9]*; do [ ! -e "$n" ] || sha256sum "$n"; done >"$folder/got"
  # The command of a job that is cut may be ended before its first word.
  grep begin log | if [ $way = cut ]; then grep -v "begin 2"; else cat; fi >"$folder/begun" || true
}

@test "look-ahead: the next job cannot be decoded at its turn, is cut, or its command fails: the same under each policy" {
  local way policy ahead
  waiting 1 2 3 4
  mv q whole
  for way in broken cut fails; do
    rm -rf saved during-2 && cp -a whole saved
    case $way in
    cut) head -c -1000 whole/jobs/fspl-2.fspl >saved/jobs/fspl-2.fspl ;;
    fails) during 2 'exit 4' ;;
    esac
    for policy in retry delete leave quarantine; do
      rm -rf by-*
      for ahead in 0 1 3; do outcome by-$ahead $ahead --on-error $policy; done
      diff -r by-0 by-1 && diff -r by-0 by-3 || { show; fail "not the same: $way, $policy"; }
      grep -q "begin 1" by-0/begun && [ -s by-0/said ] && ! grep -q got/2 by-0/got || { show; fail "$way, $policy"; }
    done
  done
}
