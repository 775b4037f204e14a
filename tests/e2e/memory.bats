# What a run needs of memory does not depend on what flows through it. The figures are printed.
#
# Judged are a process's own pages, the anonymous ones, as bytes flow, when half has flowed, and at the end; and VmHWM, which
# counts the cached pages of program and libraries as well that the kernel maps around each page fault. How many these are
# is no property of the program: since Linux 6.16 one fault maps a whole folio, and a file that was written a megabyte at a
# time lies in folios of a megabyte (keeper 2.6 MiB, cat(1) 1.7). So program and C library are copied here 4 KiB at a time.
load helpers

# A command that notes, after 1 MB, after 256 MB and at the end, still in the run, what its keeper and its processor have.
setup() {
  begin_test
  cd "$T"
  local libc
  libc=$(ldd "$PENSTOCK" | awk '$1 == "libc.so.6" { print $3 }')
  mkdir lib
  dd if="$libc" of=lib/libc.so.6 bs=4k status=none
  export LD_LIBRARY_PATH=$T/lib
  dd if="$PENSTOCK" of=penstock bs=4k status=none
  chmod +x penstock
  PENSTOCK=$T/penstock
  cat >command <<-'END'
	#!/bin/bash
	keeper=$PPID
	read -r _ _ _ processor _ </proc/$keeper/stat
	note() {
	  cat /proc/$keeper/status >>keeper
	  cat /proc/$processor/status >>processor
	}
	head -c 1M >/dev/null
	note
	head -c 255M >/dev/null
	note
	cat >/dev/null
	note
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

# value FILE NAME: the highest that was noted, in kB.
value() { awk -v name="$2:" '$1 == name && $2 > most { most = $2 } END { print most }' "$1"; }

# flow KIND SIZE: let it flow, and check the figures.
flow() {
  rm -f keeper processor
  case $1 in
  plain) new_job "$2" && "$PENSTOCK" queue-process -q q ./command ;;
  hold) new_job "$2" && "$PENSTOCK" queue-process -q q -d 'cat | cat' --gate hold ./command ;;
  eof) new_job "$2" && "$PENSTOCK" queue-process -q q -d 'cat | cat' --gate eof ./command ;;
  stdin) new_job "$2" && cat q/jobs/fspl-1.fspl | "$PENSTOCK" stdin-process ./command ;;
  verify) new_job "$2" && "$PENSTOCK" queue-process -q q --verify before ./command ;;
  sealed) sealed_job "$2" && "$PENSTOCK" queue-process -q q --require-seal ./command ;;
  sealed-hold) sealed_job "$2" && "$PENSTOCK" queue-process -q q --require-seal -d 'cat | cat' ./command ;;
  zstd | gzip)
    new_job "$2"
    mv q/jobs/fspl-1.fspl plain
    $1 -q -c <plain >q/jobs/fspl-1.fspl
    "$PENSTOCK" queue-process -q q -d "$1 -dcq" ./command
    ;;
  run) head -c "$2" /dev/zero | "$PENSTOCK" run cat '|' ./command ;;
  esac
  judge "$1, $2"
}

# judge WHAT: the figures of processor and keeper. In-process zstd(1) has a window of 2 MiB, as the file asks, and a context.
judge() {
  local processor keeper own=2048 most=5120
  case $1 in
  zstd,*) own=4096 most=$((6144 + 2048)) ;;
  gzip,*) most=6144 ;;
  esac
  processor=$(value processor RssAnon) keeper=$(value keeper RssAnon)
  echo "# $1: processor $processor kB of its own (VmHWM $(value processor VmHWM)), keeper $keeper kB (VmHWM $(value keeper VmHWM))" >&3
  [ "$processor" -lt $own ] || fail "the processor has $processor kB of its own"
  [ "$keeper" -lt 1024 ] || fail "the keeper has $keeper kB of its own"
  [ "$(value processor VmHWM)" -le $most ] || fail "the processor needed $(value processor VmHWM) kB"
  [ "$(value keeper VmHWM)" -le 2048 ] || fail "the keeper needed $(value keeper VmHWM) kB"
}

# independent_of_size KIND SIZE [SMALL]: no more than for SMALL (1M), but for a buffer that that did not fill.
independent_of_size() {
  local small
  flow "$1" "${3:-1M}"
  small=$(($(value processor RssAnon) + $(value keeper RssAnon)))
  flow "$1" "$2"
  [ $(($(value processor RssAnon) + $(value keeper RssAnon) - small)) -le 256 ] || fail "more for $2 than for ${3:-1M} ($small kB)"
}

@test "memory: 1 GB of a plain file" {
  independent_of_size plain 1G
}

@test "memory: 1 GB through a decoder, --gate hold" {
  independent_of_size hold 1G
}

@test "memory: 1 GB of zstd and of gzip, in-process" {
  independent_of_size zstd 1G 16M  # which fill the window
  independent_of_size gzip 1G 16M
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

@test "memory: a queue of 2,000 jobs" {
  local n
  "$PENSTOCK" queue-init -q q
  "$PENSTOCK" prepare -s - >packet
  for n in {2..2000}; do ln packet q/jobs/fspl-$n.fspl; done
  cp packet q/jobs/fspl-1.fspl
  logged "$PENSTOCK" queue-process -q q --maxjobs 1 ./command
  judge "2,000 jobs"
}
