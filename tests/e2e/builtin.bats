# Headers that are decoded in-process: the same jobs as with a process for each, and no process where none is needed.
load queue_helpers

bats_require_minimum_version 1.5.0

# listed OPTION...: what queue-ls lists and skips, each file by name. Not why: whether the decoder's end or its bad output is
# seen first is a matter of time.
listed() {
  penstock -l debug queue-ls -q q --no-index "$@" >list 2>said
  sed -n 's/\(is skipped\): .*/\1/p' said | sort >>list
}

# differential FORMAT SEED DECODER...: every decoder string sees the same, in-process or not.
differential() {
  local format=$1 seed=$2 decoder
  shift 2
  PENSTOCK=$PENSTOCK "$root/tests/support/odd_packets" "$format" q/jobs 250 "$seed"
  for decoder; do
    listed -d "$decoder" && mv list in-process
    listed -d "$decoder" --no-builtin-decoders
    diff in-process list >difference || { cat difference; fail "$format, seed $seed, $decoder"; } || return 1
    [ "$(grep -c fspl- list)" = 250 ] && [ "$(grep -c skipped list)" -gt 20 ] || { cat list; fail "nothing was compared"; } || return 1
  done
}

# bats test_tags=many
@test "builtin: 500 zstd packets, good and bad: the same as by zstd" {
  differential zstd 1 'zstd -dcq' 'zstdcat -T0'
  rm q/jobs/*
  differential zstd $$ 'zstd -d 2>/dev/null'
}

# bats test_tags=many
@test "builtin: 500 gzip packets, good and bad: the same as by gzip" {
  differential gzip 1 'gzip -dc' 'zcat'
  rm q/jobs/*
  differential gzip $$ 'gunzip -q'
}

# bats test_tags=many
@test "builtin: 500 xz packets, good and bad: the same as by xz" {
  differential xz 1 'xz -dc' 'xzcat -T0'
  rm q/jobs/*
  differential xz $$ 'unxz -q'
}

# bats test_tags=many
@test "builtin: 500 bzip2 packets, good and bad: the same as by bzip2" {
  differential bzip2 1 'bzip2 -dc' 'bzcat'
  rm q/jobs/*
  differential bzip2 $$ 'bunzip2 2>/dev/null'
}

# bats test_tags=many
@test "builtin: 500 lz4 packets, good and bad: the same as by lz4" {
  differential lz4 1 'lz4 -dc' 'lz4cat'
  rm q/jobs/*
  differential lz4 $$ 'unlz4 -q'
}

# Programs in front of the real ones that count how often they are begun.
@test "builtin: no process for a header where none is needed, and one for each job" {
  mkdir bin
  local tool
  for tool in zstd gzip xz bzip2 lz4; do
    printf '#!/bin/sh\necho x >>%s/begun\nexec %s "$@"\n' "$T" "$(command -v $tool)" >bin/$tool
    chmod +x bin/$tool
  done
  PATH=$T/bin:$PATH
  begun() { local count; count=$(wc -l <begun); : >begun; [ "$count" = "$1" ] || fail "$count decoders began, not $1: $2"; }
  : >begun
  for tool in zstd gzip xz bzip2 lz4; do
    rm -rf q seq got/*
    penstock queue-init -q q
    jobs=0
    local n
    for n in 1 2 3; do add_job $tool -c <<<"payload $n"; done
    : >begun
    penstock queue-ls -q q --no-index -d "$tool -dc" >list
    begun 0 "$tool, queue-ls" && [ "$(grep -c fspl- list)" = 3 ]
    penstock queue-ls -q q --no-index --no-builtin-decoders -d "$tool -dc" >list
    begun 3 "$tool, --no-builtin-decoders" && [ "$(grep -c fspl- list)" = 3 ]
    penstock queue-ls -q q --no-index -d "$tool -dc --rsyncable-not-known" >list 2>said || true
    begun 3 "$tool, an option that we do not know"
    penstock queue-ls -q q --no-index -d "$tool -dc | cat" >list
    begun 3 "$tool, more than one stage"
    process -d "$tool -dc" "${keep[@]}"
    succeeded 3 && begun 3 "$tool, a run"
    [ "$(cat got/3)" = "payload 3" ]
  done
}

# A decoder that notes which file it was begun for, and how many of them there are.
counting_decoder() {
  printf '#!/bin/sh\necho x >>%s/begun\nexec gzip -dc\n' "$T" >decoder
  chmod +x decoder
  : >begun
}
begun_are() { [ "$(wc -l <begun)" = "$1" ]; }

@test "look-ahead: N decoders are begun while a job runs, no more, and each job runs" {
  counting_decoder
  mkfifo word
  printf '#!/bin/sh\n[ $FSPL_SEQ != 1 ] || read -r word <word\nexec %q %q\n' "${keep[0]}" "$T/got" >waits
  chmod +x waits
  local n ahead
  for n in 1 2 3 4 5 6; do add_job gzip <<<"payload $n"; done
  cp -r q saved
  for ahead in 0 1 3 16; do
    rm -rf q got/*
    cp -r saved q
    : >begun
    "$PENSTOCK" queue-process -q q --no-index -d ./decoder --look-ahead $ahead ./waits >out 2>err </dev/null 3>&- &
    local run=$!
    # Six for the headers, the first of which is kept for its job; with 16 there are no more than five others.
    until_true begun_are $((ahead > 5 ? 11 : 6 + ahead))
    echo >word
    wait $run
    [ "$(ls got | wc -l)" = 6 ] && begun_are 11 && [ "$(cat got/6)" = "payload 6" ] || fail "--look-ahead $ahead" || return 1
  done
}

@test "look-ahead: jobs that fail, are replaced, moved aside or missing, with the next ones begun" {
  counting_decoder
  local n
  for n in 1 2 3 4 6 7; do
    printf '%s\n' $n >seq
    echo "payload $n" | penstock prepare -s seq -i - | gzip >q/jobs/fspl-$n.fspl
  done
  printf '3\n' >seq
  echo "another 3" | penstock prepare -s seq -i - | gzip >other
  # Job 1 replaces job 3; job 2 fails; job 4 is cut.
  head -c -12 q/jobs/fspl-4.fspl >cut
  cat cut >q/jobs/fspl-4.fspl
  printf '#!/bin/sh\ncase $FSPL_SEQ in 1) mv other q/jobs/fspl-3.fspl ;; 2) exit 9 ;; esac\nexec %q %q\n' \
    "${keep[0]}" "$T/got" >acts
  chmod +x acts
  process -d ./decoder --look-ahead 8 ./acts
  refused 2 "job 2 (fspl-2.fspl) failed: ./acts exited 9" || refused 2 "exited 9"
  process -d ./decoder --look-ahead 8 --on-error quarantine ./acts
  [ "$(cat got/3)" = "another 3" ]
  [ "$(ls got | tr '\n' ' ')" = "1 3 " ] && [ "$(cat q/nextseq)" = 5 ]
  says "waiting for job 5; 2 later jobs are here"
  printf '5\n' >seq
  penstock prepare -s seq -i - <<<"payload 5" | gzip >q/jobs/fspl-5.fspl
  process -d ./decoder --look-ahead 8 ./acts
  succeeded 7
  [ "$(ls got | tr '\n' ' ')" = "1 3 5 6 7 " ]
}

@test "builtin: not under --sandbox" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  penstock -l debug queue-init -q other
  printf '#!/bin/sh\necho x >>%s/begun\nexec /bin/gzip "$@"\n' "$T" >gzip && chmod +x gzip
  : >begun
  add_job gzip <<<1
  PATH=$T:$PATH penstock queue-ls -q q --no-index --sandbox=try --sandbox-write "$T" -d "gzip -dc" >list
  [ "$(wc -l <begun)" = 1 ] && grep -q fspl-1 list
}

@test "builtin: signatures and seals are looked at all the same" {
  penstock keygen ours.key >/dev/null
  penstock prepare -s seq -i - --sign ours.key <<<"one" | zstd -q >q/jobs/fspl-1.fspl
  penstock prepare -s seq -i - <<<"two" | zstd -q >q/jobs/fspl-2.fspl
  penstock queue-ls -q q -d 'zstd -dcq' --trust ours.key.pub --require-signature >list 2>err
  grep -q fspl-1 list && [ "$(grep -c fspl- list)" = 1 ]
  grep -q "fspl-2.fspl is skipped: .*sign" err
}

# ran OPTION...: one run over 250 odd packets, each job once, and what came of it.
ran() {
  local folder=$1
  shift
  rm -rf q "$folder" got/* && cp -r saved q
  process --no-index --order-by Timestamp --on-error Leave "$@" "${keep[@]}"
  mkdir "$folder" && mkdir "$folder/got" && find got -name '[0-9]*' -exec cp {} "$folder/got" \; && ls q/jobs >"$folder/left"
  # Which jobs failed; why, is in the decoder's words, or in those of whoever saw it first.
  sed -n 's/\(: job [0-9]* ([^)]*) failed\).*/\1/p' err >"$folder/said"
  echo "$status" >"$folder/status"
}

# same_results FORMAT SEED DECODER: 250 odd packets as jobs, decoded in-process and by the decoder.
same_results() {
  rm -rf saved q && penstock queue-init -q saved
  PENSTOCK=$PENSTOCK "$root/tests/support/odd_packets" "$1" saved/jobs 250 "$2"
  limit=200 ran in-process -d "$3"
  limit=200 ran decoded -d "$3" --no-builtin-decoders
  diff -r in-process decoded >difference || { cat difference; fail "$3, seed $2"; } || return 1
  [ "$(ls decoded/got | wc -l)" -gt 90 ] && [ "$(wc -l <decoded/said)" -gt 5 ] || { show; fail "nothing was compared"; }
}

# bats test_tags=many
@test "builtin: 1500 jobs, good and bad, small ones whole in-process: the same results as by the decoder" {
  local format seed
  for format in zstd gzip xz bzip2 lz4 zstd; do
    seed=${seed:+$$}
    same_results "$format" "${seed:=1}" "$format -dcq" || return 1
  done
}

# Not under ThreadSanitizer, which makes a fork of vfork: the group of the first stage may not be there yet when the second
# one is to enter it, and that one then ends with 127.
# bats test_tags=many
@test "builtin: 750 jobs behind another stage, good and bad: the same results as by the decoder" {
  local format seed
  for format in zstd gzip lz4; do
    seed=${seed:+$$}
    same_results "$format" "${seed:=2}" "cat | $format -dcq" || return 1
  done
}

@test "builtin: no decoder is begun for good jobs, small or large, alone or last; one for what is damaged or of another format" {
  [ -n "$(command -v strace)" ] || skip "there is no strace"
  add_job zstd -q <<<"payload 1"
  random_bytes 100000 >large && add_job zstd -q <large
  add_job gzip -1 <<<"payload 3"
  cp -r q saved
  begun() { grep -c 'execve(.*/zstd".* = 0' trace || true; }
  traced() { strace -f -qq -e trace=execve -o trace "$PENSTOCK" queue-process -q q --no-index "$@" "${keep[@]}" >out 2>err </dev/null; }
  # zstd(1) knows gzip as well; what we do not know of it is left to it.
  traced -d 'zstd -dcq' && [ "$(begun)" = 2 ] && [ "$(cat q/nextseq)" = 4 ]
  [ "$(cat got/1)" = "payload 1" ] && cmp got/2 large && [ "$(cat got/3)" = "payload 3" ]
  rm -rf q got/* && cp -r saved q && rm q/jobs/fspl-3.fspl
  traced -d 'zstd -dcq' && [ "$(begun)" = 0 ] && [ "$(cat q/nextseq)" = 3 ] && cmp got/2 large
  rm -rf q got/* && cp -r saved q && rm q/jobs/fspl-3.fspl
  traced -d 'cat | zstd -dcq' && [ "$(begun)" = 0 ] && [ "$(cat q/nextseq)" = 3 ] && cmp got/2 large
  for other in '--verify before' '--gate off' '--decoder-ok 2'; do
    rm -rf q got/* && cp -r saved q && rm q/jobs/fspl-[13].fspl && echo 2 >q/nextseq
    traced -d 'zstd -dcq' $other && [ "$(begun)" = 1 ] && [ "$(cat q/nextseq)" = 3 ] || fail "$other: $(begun)"
  done
  rm -rf q && cp -r saved q && rm q/jobs/fspl-[23].fspl
  traced -d 'zstd -dcq' --no-builtin-decoders && [ "$(begun)" -ge 1 ] && [ "$(cat q/nextseq)" = 2 ]
  # Damaged in its last byte: the decoder says so, and nothing is committed.
  rm -rf q got/1 && cp -r saved q && rm q/jobs/fspl-[23].fspl
  flip() { printf '%b' "\\x$(printf %02x $((0x$(tail -c 1 "$1" | od -An -tx1 | tr -d ' ') ^ 1)))" | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 1)) conv=notrunc status=none; }
  flip q/jobs/fspl-1.fspl
  traced -d 'zstd -dcq' || true
  [ "$(begun)" -ge 1 ] && [ ! -e got/1 ] && [ "$(cat q/nextseq)" = 1 ] && grep -q "fspl-1.fspl is skipped: .*zstd" err
}

# Files of three jobs of zstd, so large that they are not decoded whole.
large_jobs() {
  local n
  random_bytes 100000 >large
  for n in 1 2 3; do add_job zstd -q <large; done
}

@test "builtin: a file that cannot be read is passed over, as with its decoder, and named" {
  [ -n "$(command -v strace)" ] || skip "there is no strace"
  large_jobs
  strace -f -qq -o trace -P "$T/q/jobs/fspl-2.fspl" -e trace=read,pread64 -e inject=read,pread64:error=EIO \
    "$PENSTOCK" queue-process -q "$T/q" --no-index -d zstdcat "${keep[@]}" >out 2>err </dev/null || true
  grep -q EIO trace
  cmp got/1 large && [ ! -e got/2 ] && [ "$(cat q/nextseq)" = 2 ] && grep -q "fspl-2.fspl is skipped" err || { cat err; fail "no"; }
}

@test "builtin: a file that only its decoder reads, and that may not be opened again, hurts no other job" {
  [ "$(id -u)" = 0 ] || skip "needs root"
  large_jobs
  printf '2\n' >seq && penstock prepare -s seq -i large >q/jobs/fspl-2.fspl  # which zstdcat passes on as it is
  printf '%s\n' '#!/bin/sh' '[ "$FSPL_SEQ" != 1 ] || chmod 000 q/jobs/fspl-2.fspl' 'cat >got/$FSPL_SEQ' >closes
  chmod +x closes
  cp "$PENSTOCK" program  # where it is another user may not look
  chown -R 65534 "$T"
  setpriv --reuid 65534 --clear-groups ./program queue-process -q q --no-index -d 'cat | zstdcat' ./closes >out 2>err </dev/null || true
  cmp got/1 large && [ "$(cat q/nextseq)" -ge 2 ] || { cat err; fail "no"; }
}

@test "builtin: a file without an end to its beginning does not keep the clock and signals from being heeded" {
  truncate -s $((4 << 30)) endless
  # Skippable frames of zstd, each of 512 MiB: no byte comes out.
  perl -e 'open F, "+<", "endless"; for (my $at = 0; $at < 4 << 30; $at += 8 + (512 << 20)) { seek F, $at, 0; print F pack("VV", 0x184D2A50, 512 << 20) }'
  mv endless q/jobs/fspl-1.fspl
  status=0
  timeout -s KILL 60 "$PENSTOCK" queue-process -q q --no-index --header-timeout 1 -d zstdcat "${keep[@]}" >out 2>err </dev/null || status=$?
  [ "$status" = 1 ] && grep -q "no header within 1 s" err || { cat err; fail "status $status"; }
}

@test "builtin: a small sealed job whose seal is wrong is refused, in-process as well" {
  printf 'one\n' >a && printf 'two\n' >b
  penstock prepare -s seq -i a --seal >sealed
  head -c -4 sealed >other && cat b >>other
  zstd -qc <other >q/jobs/fspl-1.fspl
  process -d 'zstd -dcq' "${keep[@]}"
  refused 1 "seal"
  zstd -qc <sealed >q/jobs/fspl-1.fspl
  process -d 'zstd -dcq' --require-seal "${keep[@]}"
  succeeded 1
  cmp got/1 a
}
