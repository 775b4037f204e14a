# What a run needs of memory does not depend on what flows through it. The figures are printed.
load helpers

# A command that reads to the end and then, still in the run, notes what its keeper and its processor have needed.
setup() {
  begin_test
  cd "$T"
  cat >command <<-'END'
	#!/bin/bash
	cat >/dev/null
	keeper=$PPID
	read -r _ _ _ processor _ </proc/$keeper/stat
	cat /proc/$keeper/status >keeper
	cat /proc/$processor/status >processor
	END
  chmod +x command
}

teardown() {
  cd /
  end_test
}

# new_job SIZE: a queue with one job, whose payload takes no room on the disk.
new_job() {
  rm -rf q
  "$PENSTOCK" queue-init -q q
  "$PENSTOCK" prepare -s - >q/jobs/fspl-1.fspl
  truncate -s "+$1" q/jobs/fspl-1.fspl
}

# sealed_job SIZE: the same with a seal. What is written down here is the header only.
sealed_job() {
  local length
  new_job "$1"
  truncate -s "$1" payload
  "$PENSTOCK" prepare -s - -i payload --seal | head -c 4096 >header || true
  length=$((16#$(od -An -tx1 -j14 -N8 header | tr -d ' ')))
  head -c $((30 + length)) header >q/jobs/fspl-1.fspl
  truncate -s "+$1" q/jobs/fspl-1.fspl
}

value() { awk -v name="$2:" '$1 == name { print $2 }' "$1"; } # kB

# flow KIND SIZE: let it flow, and check the figures.
flow() {
  local processor keeper anonymous
  rm -f keeper processor
  case $1 in
  plain) new_job "$2" && "$PENSTOCK" queue-process -q q ./command ;;
  hold) new_job "$2" && "$PENSTOCK" queue-process -q q -d 'cat | cat' --gate hold ./command ;;
  eof) new_job "$2" && "$PENSTOCK" queue-process -q q -d 'cat | cat' --gate eof ./command ;;
  stdin) new_job "$2" && cat q/jobs/fspl-1.fspl | "$PENSTOCK" stdin-process ./command ;;
  verify) new_job "$2" && "$PENSTOCK" queue-process -q q --verify before ./command ;;
  sealed) sealed_job "$2" && "$PENSTOCK" queue-process -q q --require-seal ./command ;;
  sealed-hold) sealed_job "$2" && "$PENSTOCK" queue-process -q q --require-seal -d 'cat | cat' ./command ;;
  run) head -c "$2" /dev/zero | "$PENSTOCK" run cat '|' ./command ;;
  esac
  processor=$(value processor VmHWM) keeper=$(value keeper VmHWM) anonymous=$(value keeper RssAnon)
  echo "# $1, $2: processor $processor kB (anonymous $(value processor RssAnon)), keeper $keeper kB (anonymous $anonymous)" >&3
  [ "$processor" -le 5120 ] || fail "the processor needed $processor kB"
  [ "$keeper" -le 2048 ] || fail "the keeper needed $keeper kB"
  [ "$anonymous" -lt 1024 ] || fail "the keeper has $anonymous kB of its own"
}

# The same within noise: pages of the binary that were touched, or not.
independent_of_size() {
  local small
  flow "$1" 1M
  small=$(value processor VmHWM)
  flow "$1" "$2"
  [ $(($(value processor VmHWM) - small)) -le 512 ] || fail "more for $2 than for 1M ($small kB)"
}

@test "memory: 1 GB of a plain file" {
  independent_of_size plain 1G
}

@test "memory: 1 GB through a decoder, --gate hold" {
  independent_of_size hold 1G
}

@test "memory: 1 GB through a decoder, --gate eof" {
  independent_of_size eof 1G
}

@test "memory: 1 GB through stdin-process" {
  independent_of_size stdin 1G
}

@test "memory: 1 GB of a sealed payload" {
  independent_of_size sealed 1G
}

@test "memory: 1 GB of a sealed payload through a decoder" {
  independent_of_size sealed-hold 1G
}

@test "memory: 1 GB through run" {
  independent_of_size run 1G
}

# bats test_tags=full
@test "memory: 20 GB of a plain file" {
  independent_of_size plain 20G
}

# bats test_tags=full
@test "memory: 20 GB through a decoder, --gate hold" {
  independent_of_size hold 20G
}

# bats test_tags=full
@test "memory: 20 GB through a decoder, --gate eof" {
  independent_of_size eof 20G
}

# bats test_tags=full
@test "memory: 20 GB through stdin-process" {
  independent_of_size stdin 20G
}

@test "memory: a queue of 2,000 jobs" {
  local n
  "$PENSTOCK" queue-init -q q
  "$PENSTOCK" prepare -s - >packet
  for n in {2..2000}; do ln packet q/jobs/fspl-$n.fspl; done
  cp packet q/jobs/fspl-1.fspl
  logged "$PENSTOCK" queue-process -q q --maxjobs 1 ./command
  echo "# 2,000 jobs: processor $(value processor VmHWM) kB, keeper $(value keeper VmHWM) kB" >&3
  [ "$(value processor VmHWM)" -le 5120 ]
  [ "$(value keeper VmHWM)" -le 2048 ]
}
