# Commands that are more than one process, that read elsewhere, stop early, or take their time.
load queue_helpers

bad="sh -c 'cat; sleep 0.3; exit 1'"

# never_renames COMMAND...: with a failing decoder T/got/1 never comes, and nobody is left; with a good one it does.
never_renames() {
  local size gate
  for gate in hold eof; do
    if [ $gate = hold ]; then size=1000; else size=1500000; fi
    rm -rf q seq got/1* && penstock queue-init -q q && jobs=0
    random_bytes $size >data
    add_job <data
    process --gate $gate -d "$bad" "$@"
    refused 1 "sh exited 1" || fail "--gate $gate, $size bytes" || return 1
    no_process_left || return 1
    not_committed 1 || return 1
    process --gate $gate -d "cat" "$@"
    succeeded 1 || fail "--gate $gate, $size bytes, a good packet" || return 1
    until_true [ -e got/1 ] || return 1
    cmp data got/1 || return 1
  done
}

@test "a command that is a pipeline" {
  never_renames sh -- -c 'cat | (cat >got/1.tmp && mv got/1.tmp got/1)'
}

@test "a command that is a pipeline, the first half ignoring TERM" {
  never_renames sh -- -c '(trap "" TERM; cat) | (cat >got/1.tmp; mv got/1.tmp got/1)'
}

@test "a command that is a pipeline, the second half ignoring TERM" {
  never_renames sh -- -c 'cat | (trap "" TERM; cat >got/1.tmp; mv got/1.tmp got/1)'
}

@test "a command that ignores TERM as a whole" {
  never_renames sh -- -c 'trap "" TERM; cat | (trap "" TERM; cat >got/1.tmp && mv got/1.tmp got/1)'
}

@test "a command that reads in another session with an empty environment, and waits for it" {
  never_renames sh -- -c 'exec 3<&0; setsid env -i /bin/sh -c "cat >got/1.tmp; mv got/1.tmp got/1" <&3 & exec 3<&- </dev/null; wait'
}

@test "a command that reads in another session with an empty environment, and does not wait" {
  never_renames sh -- -c 'exec 3<&0; setsid env -i /bin/sh -c "cat >got/1.tmp; mv got/1.tmp got/1" <&3 & :'
}

@test "a reader behind an inner pipe, in another session with an empty environment" {
  never_renames sh -- -c 'cat | setsid env -i /bin/sh -c "cat >got/1.tmp; mv got/1.tmp got/1"'
}

@test "a command whose child reads on after it has exited 0 gets all bytes" {
  local gate decoder
  random_bytes 3000000 >data
  for gate in hold eof; do
    for decoder in "cat" "sh -c 'cat; sleep 0.5'"; do
      rm -rf q seq got/1* && penstock queue-init -q q && jobs=0
      add_job <data
      process --gate $gate -d "$decoder" sh -- -c 'exec 3<&0; { sleep 0.5; cat; } <&3 >got/1.tmp && mv got/1.tmp got/1 & exit 0'
      succeeded 1
      until_true [ -e got/1 ]
      cmp data got/1
    done
  done
}

# stalls OPTION...: the command exits 0, its child holds the input and takes nothing.
stalls() {
  random_bytes 3000000 | add_job
  process --stall-after 1 "$@" sh -- -c 'exec 3<&0; sleep 1000 <&3 & exit 0'
  failed_job 1 "the command exited 0, but sleep "
  says "holds its input and has taken nothing for 1 s"
  says "may have been applied"
  [ "$took" -le 10 ] || fail "after $took s"
  no_process_left
}

@test "a command whose child holds the input and does not read: --gate hold" { stalls -d cat; }
@test "a command whose child holds the input and does not read: --gate eof" { stalls --gate eof -d cat; }
@test "a command whose child holds the input and does not read: a plain file" { stalls; }

@test "a command that has had enough after one byte" {
  local gate
  random_bytes 3000000 >data
  head -c 1 data >first
  for gate in hold eof off; do
    rm -rf q seq got/1 && penstock queue-init -q q && jobs=0
    add_job gzip -c <data
    process --gate $gate -d 'gzip -dc' sh -- -c 'head -c 1 >got/1'
    succeeded 1
    cmp first got/1
  done
}

# damaged_behind: a gzip file whose last bytes are wrong, and nobody reads them.
damaged_behind() {
  random_bytes 3000000 | add_job gzip -c
  flip_bit q/jobs/fspl-1.fspl 5
}

@test "a command that has had enough, and a wrong checksum behind" {
  damaged_behind
  process --no-builtin-decoders -d 'gzip -dc' head -- -c 1
  failed_job 1 "gzip exited 1"
  says "may have been applied"
  process -d 'gzip -dc' head -- -c 1
  failed_job 1 "gzip (decoded in our own process): incorrect data check"
  says "may have been applied"
}

@test "--early-end close asks no more" {
  damaged_behind
  process --early-end close -d 'gzip -dc' head -- -c 1
  succeeded 1
}

@test "--early-end close does not wait for a decoder without end" {
  local decoder gate
  for decoder in "sh -c 'cat; yes'" "sh -c 'trap \"\" TERM PIPE; cat; while :; do sleep 1; done'" \
    "sh -c 'cat; (trap \"\" TERM; sleep 1000; :)'"; do
    for gate in hold eof; do
      rm -rf q seq && penstock queue-init -q q && jobs=0
      random_bytes 3000000 | add_job
      process --gate $gate --early-end close -d "$decoder" head -- -c 1
      succeeded 1 || fail "--gate $gate -d $decoder"
      [ "$took" -le 8 ] || fail "after $took s: --gate $gate -d $decoder"
      no_process_left
    done
  done
}

# tar stops at its end mark, and reads neither what was put behind it nor end-of-file.
padded_archive() {
  mkdir -p source
  random_bytes 300000 >source/file
  tar cf archive -C source file
  head -c 20000000 /dev/zero >>archive
}

@test "tar before trailing zeros" {
  local gate
  padded_archive
  for gate in hold eof; do
    rm -rf q seq got/file && penstock queue-init -q q && jobs=0
    add_job gzip -c <archive
    process --gate $gate -d 'gzip -dc' tar -- x -C got
    succeeded 1
    cmp source/file got/file
  done
}

@test "tar before trailing zeros, with a wrong checksum behind" {
  padded_archive
  add_job gzip -c <archive
  flip_bit q/jobs/fspl-1.fspl 5
  process --no-builtin-decoders -d 'gzip -dc' tar -- x -C got
  failed_job 1 "gzip exited 1"
  says "may have been applied"
  rm got/file
  process -d 'gzip -dc' tar -- x -C got
  failed_job 1 "gzip (decoded in our own process): incorrect data check"
  says "may have been applied"
  rm got/file
  process --verify before -d 'gzip -dc' tar -- x -C got
  refused 1 "gzip exited 1"
  [ ! -e got/file ]
}

@test "a command that fails by itself is named, not the decoder that feels it" {
  local gate
  for gate in hold eof off; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 3000000 | add_job
    process --gate $gate -d cat sh -- -c 'head -c 1 >/dev/null; exec <&-; sleep 0.3; exit 3'
    refused 1 "the command exited 3"
    says_not "killed by"
  done
}

@test "a command that closes its input, works on and succeeds" {
  local gate
  for gate in hold eof off; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 3000000 | add_job
    process --gate $gate -d cat sh -- -c 'head -c 1 >/dev/null; exec <&-; sleep 0.5; exit 0'
    succeeded 1
  done
}

@test "a command that sleeps 4 s with data queued after the decoders are gone" {
  local gate
  random_bytes 900000 >data
  for gate in hold eof; do
    rm -rf q seq got/1* && penstock queue-init -q q && jobs=0
    add_job gzip -c <data
    process --gate $gate --stall-after 1 -d 'gzip -dc' sh -- -c 'sleep 4; cat >got/1.tmp && mv got/1.tmp got/1'
    succeeded 1
    cmp data got/1
  done
}

# shrinks OPTION...: a plain job file is cut while the command waits for a word from us.
shrinks() {
  penstock prepare -s - -i /dev/null >q/jobs/fspl-1.fspl
  truncate -s +1G q/jobs/fspl-1.fspl
  mkfifo go
  (
    until_true [ -e first ] && truncate -s 200000000 q/jobs/fspl-1.fspl && echo >go
  ) &
  process "$@" sh -- -c 'head -c 100000 >/dev/null; : >first; read word <go; cat >/dev/null; : >got/1'
  wait $!
}

@test "a plain file that shrinks while it is fed" {
  shrinks
  refused 1 "fspl-1.fspl shrank while it was fed"
}

@test "a plain file that grows while it is fed: only what was there at first is its payload" {
  random_bytes 3000000 >data
  add_job <data
  mkfifo go
  (
    until_true [ -e first ] && cat data >>q/jobs/fspl-1.fspl && echo >go
  ) &
  process sh -- -c '{ dd bs=1 count=10; : >first; read word <go; cat; } >got/1.tmp 2>log && mv got/1.tmp got/1'
  wait $!
  [ "$status" = 0 ] || { show; fail "refused"; }
  cmp data got/1
  says "was replaced while it ran; the new file stays"
}

@test "a small plain job that fails leaves nobody behind" {
  echo hello | add_job
  process sh -- -c 'sleep 1000 & exit 3'
  refused 1 "the command exited 3"
  no_process_left
}
