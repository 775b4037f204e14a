# Decoders that fail, linger, leave somebody behind, or never end.
load queue_helpers

# fails_at_the_end DECODER STAGE: under hold and eof, large and small, nothing is committed.
fails_at_the_end() {
  local size gate
  for size in 1000 1500000; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes $size | add_job
    for gate in hold eof; do
      process --gate $gate -d "$1" "${keep[@]}"
      refused 1 "$2" || fail "--gate $gate, $size bytes" || return 1
      says_not "may have been applied" || return 1
    done
    process --verify before -d "$1" "${keep[@]}"
    refused 1 "$2" || fail "--verify before, $size bytes" || return 1
  done
}

@test "a decoder that exits 1 after all its bytes, at once" {
  fails_at_the_end "sh -c 'cat; exit 1'" "sh exited 1"
}

@test "a decoder that exits 1 half a second after all its bytes" {
  fails_at_the_end "sh -c 'cat; sleep 0.5; exit 1'" "sh exited 1"
}

@test "a decoder that closes its output and exits 1 half a second later" {
  fails_at_the_end "sh -c 'cat; exec >&-; sleep 0.5; exit 1'" "sh exited 1"
}

@test "a decoder that is killed after all its bytes" {
  fails_at_the_end "sh -c 'cat; kill -9 \$\$'" "sh was killed by"
}

@test "the first stage of a decoder fails, and the last is content" {
  fails_at_the_end "sh -c 'cat; exit 3' | cat" "sh exited 3"
}

@test "--gate off does as a shell does, and the job fails all the same" {
  local gate_off=(--gate off -d "sh -c 'cat; exit 1'") size
  for size in 1000 1500000; do
    rm -rf q seq got && mkdir got && penstock queue-init -q q && jobs=0
    random_bytes $size >data
    add_job <data
    process "${gate_off[@]}" "${keep[@]}"
    failed_job 1 "sh exited 1"
    says "may have been applied"
    cmp data got/1
  done
}

@test "--gate off: a command that takes its time over the end of its input is let be" {
  random_bytes 1000 >data
  add_job <data
  process --gate off -d "sh -c 'cat; exit 1'" sh -- -c 'cat >part; sleep 1; mv part got/1'
  failed_job 1 "may have been applied"
  cmp data got/1
}

# leaves_a_writer OPTION...
leaves_a_writer() {
  local size
  for size in 1000 1500000; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes $size | add_job
    process -d "sh -c 'cat; sleep 1000 & '" "$@" "${keep[@]}"
    refused 1 "left a writer behind (sleep " || return 1
    [ "$took" -le 8 ] || fail "after $took s" || return 1
    no_process_left || return 1
  done
}

@test "a decoder that leaves a writer behind: --gate hold" { leaves_a_writer --gate hold; }
@test "a decoder that leaves a writer behind: --gate eof" { leaves_a_writer --gate eof; }
@test "a decoder that leaves a writer behind: --verify before" { leaves_a_writer --verify before; }

@test "a decoder that leaves a writer behind before its job's turn comes: --verify before" {
  local limit=20
  # Not the first time, which is the scan.
  printf '#!/bin/sh\ncat\ncase $(readlink /proc/self/fd/0) in *fspl-2.fspl) if ! mkdir scanned 2>/dev/null; then sleep 1000 & fi ;; esac\n' >leaves
  chmod +x leaves
  random_bytes 1000 >data
  add_job <data
  add_job <data
  # Its header is read ahead, and it ends, while job 1 runs.
  process --verify before -d ./leaves sh -- -c 'cat >got/$FSPL_SEQ; sleep 1'
  refused 2 "left a writer behind (sleep "
  [ -e got/1 ]
}

@test "a decoder that leaves a writer in another session, with an empty environment" {
  random_bytes 1000 | add_job
  process -d "sh -c 'cat; setsid env -i sleep 1000 & '" "${keep[@]}"
  refused 1 "left a writer behind (sleep "
}

@test "a decoder that writes nothing and leaves a writer behind cannot be read" {
  random_bytes 1000 | add_job
  process --skipped-status 9 -d "sh -c 'sleep 1000 & '" "${keep[@]}"
  [ "$status" = 9 ] || { show; fail "not skipped"; }
  says "fspl-1.fspl is skipped: sh left a writer behind (sleep "
  [ "$took" -le 8 ]
  not_committed 1
  no_process_left
}

@test "a decoder that never ends: --timeout ends the tree" {
  local decoder
  for decoder in "sh -c 'cat; exec sleep 1000'" "sh -c 'trap \"\" TERM; cat; while :; do sleep 1; done'"; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 1500000 | add_job
    process --timeout 1 -d "$decoder" "${keep[@]}"
    refused 1 "still running after 1 s"
    [ "$took" -le 8 ]
    no_process_left
  done
}

@test "a header that never comes: --header-timeout ends the run and names the file" {
  local decoder
  for decoder in "sleep 1000" "sh -c 'trap \"\" TERM; sleep 1000; :'" "sh -c 'trap \"\" TERM; (sleep 1000) & wait'"; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 1000 | add_job
    process --header-timeout 1 -d "$decoder" "${keep[@]}"
    refused 1 "fspl-1.fspl"
    says "no header within 1 s"
    [ "$took" -le 8 ] || fail "after $took s"
    no_process_left
  done
}

@test "a decoder that lives on though nobody reads it does not hold up the run: --ignore-payload" {
  local decoder
  for decoder in "sh -c 'cat; exec sleep 1000'" "sh -c 'trap \"\" TERM PIPE; cat; while :; do sleep 1; done'"; do
    rm -rf q seq && penstock queue-init -q q && jobs=0
    random_bytes 1000 | add_job
    process --ignore-payload -d "$decoder" sh -- -c 'cat | wc -c >got/1'
    succeeded 1
    [ "$(cat got/1)" = 0 ]
    [ "$took" -le 8 ] || fail "after $took s"
    no_process_left
  done
}

@test "a second gzip member with a wrong checksum" {
  random_bytes 3000 >data
  penstock prepare -s seq -i data >packet
  head -c 2000 packet | gzip -c >q/jobs/fspl-1.fspl
  tail -c +2001 packet | gzip -c >second
  flip_bit second 5
  cat second >>q/jobs/fspl-1.fspl
  process -d 'gzip -dc' "${keep[@]}"
  refused 1 "gzip exited 1"
  flip_bit second 5
  penstock prepare -s - -i data | head -c 2000 >/dev/null
  { head -c 2000 packet | gzip -c; cat second; } >q/jobs/fspl-1.fspl
  process -d 'gzip -dc' "${keep[@]}"
  succeeded 1
  cmp data got/1
}

@test "garbage behind a gzip file: a warning is refused, unless --decoder-ok 2" {
  random_bytes 3000 >data
  add_job gzip -c <data
  printf 'garbage' >>q/jobs/fspl-1.fspl
  process -d 'gzip -dc' "${keep[@]}"
  refused 1 "gzip exited 2"
  says "trailing garbage ignored"
  process --decoder-ok 1,3 -d 'gzip -dc' "${keep[@]}"
  refused 1 "gzip exited 2"
  process --decoder-ok 2 -d 'gzip -dc' "${keep[@]}"
  succeeded 1
  cmp data got/1
}

@test "a redirection to a FIFO waits for its other end, as in a shell, and each stage keeps its status" {
  printf '#!/bin/sh\ncat\ncat <&3\n' >add
  chmod +x add
  mkfifo fifo
  for shell in /bin/sh /bin/bash; do
    rm -rf q seq got/1 && penstock queue-init -q q && jobs=0
    random_bytes 3000 >data
    add_job <data
    timeout 20 sh -c 'sleep 0.5; echo tail >fifo' 3>&- &
    SHELL=$shell process -d './add 3<fifo | cat' "${keep[@]}"
    succeeded 1
    cmp <(cat data; echo tail) got/1
    wait $!
  done
  # The reader comes late, and the first stage fails.
  rm -rf q seq got/1 && penstock queue-init -q q && jobs=0
  add_job <data
  printf '#!/bin/sh\necho words >&2\ncat\nexit 9\n' >bad
  chmod +x bad
  timeout 20 sh -c 'sleep 0.5; cat <fifo >words' 3>&- &
  process -d './bad 2>fifo | cat' "${keep[@]}"
  wait $!
  refused 1 "exited 9"
  [ "$(cat words)" = words ]
}

@test "a FIFO whose other end never comes: --header-timeout ends the run" {
  random_bytes 3000 | add_job
  mkfifo fifo
  SHELL=/bin/sh process --header-timeout 1 -d 'cat <fifo' "${keep[@]}"
  [ "$status" = 1 ]
  says "no header within 1 s"
  not_committed 1
}
