# Numbers at the end of file names: whoever waits for one job need not decode the others; and a name that lies does no harm.
load queue_helpers

bats_require_minimum_version 1.5.0

# That of queue_helpers, and a decoder that counts how often it was begun.
setup() {
  begin_queue_test
  counting_decoder
}

# packet N [PAYLOAD]: job N, encoded.
packet() {
  printf '%s\n' "$1" >seq-of-packet
  echo "${2-payload $1}" | penstock prepare -s seq-of-packet -i - | gzip -n
}

# write N [NAMED [PAYLOAD]]: job N into the queue, with NAMED (N) in its file's name; `-` puts none there.
write() {
  local named=${2-$1}
  if [ "$named" = - ]; then
    packet "$1" "${3-payload $1}" | penstock queue-write -q q
  else
    packet "$1" "${3-payload $1}" | penstock queue-write -q q --number "$named"
  fi
}

# succeeded_all N: jobs 1 to N.
succeeded_all() { done_with "$(seq -s ' ' $1) "; }

# done_with NUMBERS: these jobs were run, each with its payload.
done_with() {
  [ "$(ls got | sort -n | tr '\n' ' ')" = "$1" ] || { show; ls got; fail "done is not $1"; }
  for n in $1; do [ "$(cat "got/$n")" = "payload $n" ] || fail "job $n got something else"; done
}

@test "names: queue-write --number and enqueue put the number there, and fspl runs them" {
  write 2
  echo "payload 1" | penstock enqueue -q q -s seq -i - -- >name
  local uuid='[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}'
  [[ "$(cd q/jobs && echo *)" =~ fspl-$uuid-1.fspl ]] && [[ "$(cd q/jobs && echo *)" =~ fspl-$uuid-2.fspl ]]
  rm q/jobs/*-1.fspl
  write 1
  /usr/bin/fspl queue-process -q q -d 'gzip -dc' "${keep[@]}"
  done_with "1 2 "
}

@test "names: each job is decoded once" {
  local n
  for n in 5 3 1 4 2; do write $n; done
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && done_with "1 2 3 4 5 "
  began 5 "each at its turn"
  for n in 10 8 6 9 7; do write $n; done
  process -d ./decoder --no-numbered-names --look-ahead 0 "${keep[@]}"
  [ "$status" = 0 ] && done_with "1 2 3 4 5 6 7 8 9 10 "
  began 9 "each for its header, and all but the first at its turn"
}

@test "names: behind a gap each run looks into a few others, until all are known" {
  local n
  for n in {2..81}; do write $n; done
  sleep 0.2  # then any later change would show in a file's times
  local left=80
  for n in 32 32 16 0; do
    process -d ./decoder "${keep[@]}"
    left=$((left - n))
    [ "$status" = 0 ] && says "waiting for job 1; 80 later jobs are here, the first is 2 "
    if [ $left = 0 ]; then ! grep -q "only the name" err; else says "of $left of them only the name was read"; fi
    began $n "a run behind the gap"
  done
  process -d ./decoder --no-index --no-numbered-names "${keep[@]}"
  began 80 "all of them"
  [ -z "$(ls got)" ]
}

@test "names: files without a number are read, whatever the others are called" {
  write 3
  write 2 -
  write 1 -
  process -d ./decoder --look-ahead 0 "${keep[@]}"
  [ "$status" = 0 ] && done_with "1 2 3 "
  began 4 "two for their headers, of which one was kept, and two at their turns"
}

@test "names: one that says later than it is: found while nothing is due" {
  write 1 9
  write 3
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && says "waiting for job 2"
  done_with "1 "
}

@test "names: one that says later than it is, behind many others: found in the end, also where nothing can be kept" {
  local n
  for n in {2..40}; do write $n; done
  write 1 50
  cp -r q q2
  sleep 0.2
  process -d ./decoder "${keep[@]}"
  says "waiting for job 1"
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && succeeded_all 40
  rm -r q got/*
  mv q2 q
  cp -r q q2
  process -d ./decoder --no-index "${keep[@]}"
  [ "$status" = 0 ] && succeeded_all 40
  rm -r q got/*
  mv q2 q
  : >q/penstock
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && succeeded_all 40
}

@test "names: those that cannot be decoded do not stand before the others for ever" {
  local n
  for n in {2..40}; do echo "no gzip" | penstock queue-write -q q --number $n; done
  write 1 50
  sleep 0.2
  process -d ./decoder --retry-undecodable "${keep[@]}"
  says "waiting for job 1" || says "32 files could not be read"
  process -d ./decoder --retry-undecodable "${keep[@]}"
  done_with "1 "
}

@test "names: one that says sooner than it is: seen at its turn" {
  write 4 3
  write 1
  write 2
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && says "waiting for job 3; 1 later job is here, 4 "
  done_with "1 2 "
  write 3
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && done_with "1 2 3 4 "
}

@test "names: one that says later than it is, and is old: never removed" {
  local n
  write 1 7 "of long ago"
  penstock queue-set-next -q q 5
  for n in 5 6 7; do write $n; done
  process -d ./decoder --remove-old "${keep[@]}"
  [ "$status" = 0 ] && done_with "5 6 7 "
  [ "$(ls q/jobs | wc -l)" = 1 ]
  process -d ./decoder --remove-old "${keep[@]}"
  [ "$status" = 0 ] && says "1 file has a later number in the name than in the header"
  [ "$(ls q/jobs | wc -l)" = 1 ]
}

@test "names: one that says that it is old, and is not" {
  write 2
  write 3 1
  penstock queue-set-next -q q 2
  process -d ./decoder --remove-old "${keep[@]}"
  [ "$status" = 0 ] && done_with "2 3 "
}

@test "names: two of one number: copies are one job, others a conflict" {
  write 1
  write 2
  cp q/jobs/*-2.fspl q/jobs/fspl-00000000-0000-4000-8000-000000000000-2.fspl
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && done_with "1 2 "
  [ "$(ls q/jobs | wc -l)" = 0 ]
  write 3
  write 4
  write 4 4 "something else"
  process -d ./decoder "${keep[@]}"
  [ "$status" = 1 ] && says "carry this number and differ"
  done_with "1 2 3 "
  rm -r q/jobs/*
  write 4
  write 4 - "something else"
  process -d ./decoder "${keep[@]}"
  [ "$status" = 1 ] && says "carry this number and differ"
  rm -r q/jobs/*
  write 4
  write 4 8 "something else"
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && done_with "1 2 3 4 "
}

@test "names: one that cannot be decoded is a gap, from its turn on" {
  write 1
  echo "no gzip" | penstock queue-write -q q --number 2
  write 3
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && says "-2.fspl is skipped: " && says "waiting for job 2; 1 later job is here, 3 "
  done_with "1 "
}

@test "names: a file that goes, or becomes another one, before its turn" {
  write 1
  write 2
  write 3
  local file
  file=$(echo q/jobs/*-2.fspl)
  packet 2 >other
  cat >command <<-END
	#!/bin/sh
	[ \$FSPL_SEQ != 1 ] || mv $T/other $T/$file
	[ \$FSPL_SEQ != 2 ] || rm $T/q/jobs/*-3.fspl
	exec $root/tests/support/commit_at_eof $T/got
	END
  chmod +x command
  process -d ./decoder ./command
  [ "$status" = 0 ] && done_with "1 2 "
}

@test "names: a file that changes before its turn is read as it is then, and the conflict is seen" {
  write 1
  write 2
  write 2 - "something else"
  local file
  file=$(echo q/jobs/*-2.fspl)
  cat >command <<-END
	#!/bin/sh
	[ \$FSPL_SEQ != 1 ] || touch $T/$file
	exec $root/tests/support/commit_at_eof $T/got
	END
  chmod +x command
  process -d ./decoder ./command
  [ "$status" = 1 ] && says "carry this number and differ"
  done_with "1 "
}

@test "names: what is skipped at its turn is counted and told" {
  local n
  write 1
  write 2
  for n in 1 2 3 4 5 6; do echo "no gzip" | penstock queue-write -q q --number 2; done
  process -d ./decoder -n 2 --detailed-exit "${keep[@]}"
  [ "$status" = 4 ] || { show; fail "status $status, not 4"; }
  says "and 3 more files are skipped for the same reason"
  done_with "1 2 "
}

@test "names: they count for nothing where the number is in doubt" {
  penstock queue-process -q q -d ./decoder "${keep[@]}" 2>/dev/null
  write 1
  write 2
  process -d ./decoder sh -- -c '[ $FSPL_SEQ = 1 ]'
  [ "$status" = 1 ] && [ "$(cat q/nextseq)" = 2 ]
  write 1 9 again
  : >q/nextseq
  process -d ./decoder "${keep[@]}"
  [ "$status" = 1 ] && [ -z "$(ls got)" ]
}

@test "names: they count for nothing where only signed files do, nor in order of time" {
  local n
  for n in 2 3 4; do write $n; done
  process -d ./decoder --order-by Timestamp --look-ahead 0 "${keep[@]}"
  [ "$status" = 0 ] && done_with "2 3 4 "
  began 6 "each for its header, and each at its turn"
  penstock keygen key >/dev/null
  for n in {2..20}; do write $n; done
  process -d ./decoder --trust key.pub --require-signature "${keep[@]}"
  [ "$status" = 0 ] && says "is not signed"
  ! grep -q "later job" err || { show; fail "it is said what waits, by unsigned names"; }
}

@test "names: queue-write --check --number: they must agree" {
  penstock prepare -s - -i - </dev/null >plain
  penstock queue-write -q q --check --number 1 <plain
  run --separate-stderr penstock queue-write -q q --check --number 2 <plain
  [ "$status" = 1 ] && [[ "$stderr" == *"standard input is job 1, not job 2"* ]]
  [ "$(ls q/jobs | wc -l)" = 1 ]
}
