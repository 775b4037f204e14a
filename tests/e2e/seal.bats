# A sealed job whose payload was cut or altered is never followed by a commit; one that is whole is, byte for byte.
bats_require_minimum_version 1.5.0
load queue_helpers

# sealed [ENCODER...] <PAYLOAD: as add_job, with a seal.
sealed() {
  [ $# -gt 0 ] || set -- cat
  jobs=$((jobs + 1))
  penstock prepare -s "$T/seq" -i - --seal | "$@" >"$T/q/jobs/fspl-$jobs.fspl"
}

# damage KIND SEED FILE...: cut each somewhere in its payload, or change some bits of a byte there.
damage() {
  perl -e '
    my ($kind, $seed, @files) = @ARGV;
    srand $seed;
    for my $file (@files) {
      open my $f, "+<", $file or die;
      binmode $f;
      read $f, my $prefix, 30;
      my $begin = 30 + unpack "Q>", substr $prefix, 14, 8;
      my $at = $begin + int rand((-s $file) - $begin);
      if ($kind eq "cut") { truncate $f, $at or die; next }
      seek $f, $at, 0; read $f, my $byte, 1;
      seek $f, $at, 0; print $f chr(ord($byte) ^ (1 + int rand 255));
    }' "$@"
}

# damaged_jobs [ENCODER...]: 20 that are cut and 200 with a byte changed, below and above what the gate keeps back, and
# two that are whole. The damage is done before they are encoded: no decoder can tell.
damaged_jobs() {
  local i seed=${PENSTOCK_SEED:-212295}
  random_bytes 3000 >small
  random_bytes 100000 >large
  for ((i = 1; i <= 222; i++)); do
    if ((i % 2)); then payload=small; else payload=large; fi
    penstock prepare -s seq -i $payload --seal >q/jobs/fspl-$i.fspl
  done
  damage cut "$seed" q/jobs/fspl-{1..20}.fspl
  damage flip "$seed" q/jobs/fspl-{21..220}.fspl
  if [ $# -gt 0 ]; then
    for ((i = 1; i <= 222; i++)); do
      "$@" <q/jobs/fspl-$i.fspl >packed
      mv packed q/jobs/fspl-$i.fspl
    done
  fi
  cp q/jobs/fspl-22[12].fspl .
}

# never_applied OPTION...: of damaged_jobs, only the last two.
never_applied() {
  rm -rf got/* got/.part*
  cp fspl-22[12].fspl q/jobs
  penstock queue-set-next -q q 1
  process --on-error Leave "$@" "${keep[@]}"
  succeeded 222 || return 1
  [ "$(grep -c 'failed: the payload is \(cut: [0-9]* of [0-9]* bytes\|altered: its digest differs\)' err)" = 220 ] ||
    { show; fail "not all 220 were noticed ($*)" || return 1; }
  [ "$(echo $(ls got))" = "221 222" ] || { ls -l got; fail "COMMITTED ($*)" || return 1; }
  cmp small got/221 && cmp large got/222
}

all_ways() {
  local gate
  for gate in '' '--gate=hold' '--gate=eof' '--gate=off' '--verify=before' '--early-end=close' '--pipe-size=4096'; do
    # shellcheck disable=SC2086
    never_applied "$@" $gate || fail "with $gate" || return 1
  done
}

@test "seal: cut at 20 places and altered at 200, plain" {
  damaged_jobs
  never_applied
}

@test "seal: cut at 20 places and altered at 200, through gzip" {
  damaged_jobs gzip -1
  never_applied -d 'gzip -dc'
}

@test "seal: cut at 20 places and altered at 200, through zstd" {
  damaged_jobs zstd -q
  never_applied -d 'zstd -dc'
}

# bats test_tags=full
@test "seal: the same under each strength of the gate, plain" {
  damaged_jobs
  all_ways
}

# bats test_tags=full
@test "seal: the same under each strength of the gate, through gzip" {
  damaged_jobs gzip -1
  all_ways -d 'gzip -dc'
}

@test "seal: a bit of each byte of the header" {
  local at size
  sealed <<<hello
  mv q/jobs/fspl-1.fspl good
  size=$(($(stat -c %s good) - 6))
  for ((at = 0; at < size; at++)); do
    perl -e 'local $/; $_ = <STDIN>; substr($_, $ARGV[0], 1) ^= chr(1 << $ARGV[0] % 8); print' $at <good >bad
    if penstock stdin-process "${keep[@]}" <bad >out 2>err; then fail "byte $at" || return 1; fi
    not_committed 1 || return 1
  done
  penstock stdin-process "${keep[@]}" <good
  [ "$(cat got/1)" = hello ]
}

# every_size OPTION...: 0 to 10 MiB, plain and through gzip.
every_size() {
  local way i sizes=(0 1 65535 65536 65537 10485760) decoder
  if [ ! -e data-1 ]; then
    for ((i = 1; i <= ${#sizes[@]}; i++)); do
      random_bytes "${sizes[i - 1]}" >data-$i
      sealed <data-$i
      cp q/jobs/fspl-$i.fspl plain-$i
      gzip -1 <plain-$i >packed-$i
    done
  fi
  for way in plain packed; do
    for ((i = 1; i <= ${#sizes[@]}; i++)); do cp $way-$i q/jobs/fspl-$i.fspl; done
    rm -f got/*
    penstock queue-set-next -q q 1
    decoder=()
    if [ $way = packed ]; then decoder=(-d 'gzip -dc'); fi
    process --require-seal "$@" "${decoder[@]}" "${keep[@]}"
    succeeded ${#sizes[@]} || fail "$way $*" || return 1
    for ((i = 1; i <= ${#sizes[@]}; i++)); do cmp data-$i got/$i || fail "$way $*" || return 1; done
  done
}

@test "seal: every byte of every size arrives" {
  every_size
  every_size --verify before
  for i in {1..6}; do
    cat plain-$i | penstock stdin-process --require-seal "${keep[@]}"
    cmp data-$i got/$i
    penstock stdin-payload --require-seal <plain-$i | cmp - data-$i
  done
}

@test "seal: every byte of every size arrives, whatever the gate and the way" {
  every_size --gate hold
  every_size --gate eof
  every_size --gate off
  every_size --pipe-size 4096
  every_size --verify before --stdin file
}

@test "seal: fspl reads sealed job files as any others" {
  random_bytes 200000 >data
  FSPL_SET_x=y sealed <data
  /usr/bin/fspl stdin-payload <q/jobs/fspl-1.fspl | cmp - data
  /usr/bin/fspl stdin-info <q/jobs/fspl-1.fspl | grep -x FSPL_SET_x=y
  [ "$(/usr/bin/fspl stdin-info <q/jobs/fspl-1.fspl)" = "$(penstock stdin-info <q/jobs/fspl-1.fspl)" ]
  [ "$(/usr/bin/fspl queue-info -q q -j 1)" = "$(penstock queue-info -q q -j 1)" ]
  /usr/bin/fspl queue-process -q q "${keep[@]}"
  cmp data got/1
  [ "$(cat q/nextseq)" = 2 ]
}

@test "seal: the digest is that of b2sum" {
  random_bytes 70000 >data
  sealed <data
  grep -aqF "$(b2sum -l 256 <data | cut -d' ' -f1)" q/jobs/fspl-1.fspl
}

@test "seal: swapped payloads of one length" {
  local n
  for n in 1 2; do
    random_bytes 100000 >data-$n
    sealed <data-$n
    head -c -100000 q/jobs/fspl-$n.fspl >head-$n
  done
  cat head-1 data-2 >q/jobs/fspl-1.fspl
  process "${keep[@]}"
  refused 1 "the payload is altered: its digest differs from its seal"
}

# other_digits FILE...: in the Nth one another digit in the Nth place of its digest, and good checksums again.
other_digits() {
  python3 - "$@" <<-'END'
	import struct, sys, zlib
	for place, name in enumerate(sys.argv[1:]):
	    content = open(name, "rb").read()
	    end = 30 + struct.unpack(">Q", content[14:22])[0]
	    block = bytearray(content[30:end])
	    at = block.index(b"\xd9\x40") + 2 + place
	    block[at] = b"0123456789abcdef"[int(chr(block[at]), 16) ^ 1]
	    prefix = content[:22] + struct.pack(">I", zlib.crc32(block))
	    open(name, "wb").write(prefix + struct.pack(">I", zlib.crc32(prefix)) + block + content[end:])
	END
}

@test "seal: a digest that differs in a single digit" {
  local i
  random_bytes 3000 >small
  random_bytes 100000 >large
  for ((i = 0; i < 64; i++)); do
    if ((i % 2)); then sealed <small; else sealed <large; fi
  done
  other_digits q/jobs/fspl-{1..64}.fspl
  sealed <small
  process --on-error Leave "${keep[@]}"
  succeeded $jobs
  [ "$(grep -c 'failed: the payload is altered: its digest differs' err)" = 64 ] || { show; fail "not all were noticed"; }
  [ "$(echo $(ls got))" = 65 ] || { ls got; fail "COMMITTED"; }
}

@test "seal: a payload with more behind it" {
  random_bytes 100000 >data
  sealed <data
  cp q/jobs/fspl-1.fspl good
  cat good good >q/jobs/fspl-1.fspl
  process "${keep[@]}"
  refused 1 "the payload is altered: it has more than the 100000 bytes that were sealed"
  cat good good | gzip >q/jobs/fspl-1.fspl
  process -d 'gzip -dc' "${keep[@]}"
  refused 1 "it has more than the 100000 bytes that were sealed"
  process -d 'gzip -dc' --gate eof "${keep[@]}"
  refused 1 "it has more than the 100000 bytes that were sealed"
  process -d 'gzip -dc' --verify before "${keep[@]}"
  refused 1 "it has more than the 100000 bytes that were sealed"
}

@test "seal: behind a decoder that failed the decoder is named" {
  random_bytes 300000 | sealed gzip
  truncate -s 200000 q/jobs/fspl-1.fspl
  process -d 'gzip -dc' --no-builtin-decoders "${keep[@]}"
  refused 1 "gzip exited 1"
  process -d 'gzip -dc' "${keep[@]}"
  refused 1 "gzip (decoded in our own process): it ends too early"
}

@test "seal: a job file overwritten before it is read" {
  random_bytes 10000000 | sealed
  # The command has read little when it overwrites what lies behind all that is in pipes and buffers.
  process sh -- -c 'head -c 1000 >/dev/null
    printf altered | dd of="$FSPL_JOB_FULLPATH" bs=1000000 seek=9 conv=notrunc status=none
    cat >part && mv part got/1'
  refused 1 "the payload is altered: its digest differs from its seal"
}

@test "seal: a job file overwritten after its bytes were hashed is not what the command gets" {
  random_bytes 500000 >data
  sealed <data
  # Most of it lies in the pipe by then, and the end has been read too.
  process sh -- -c 'sleep 0.5
    head -c 600000 /dev/zero | dd of="$FSPL_JOB_FULLPATH" bs=1000 conv=notrunc status=none iflag=fullblock
    cat >part && mv part got/1'
  [ "$status" = 0 ] || { show; fail "it was whole"; }
  cmp data got/1
}

@test "seal: a small job file is checked before its command starts" {
  sealed <<<hello
  damage flip 1 q/jobs/fspl-1.fspl
  process sh -- -c 'touch started'
  refused 1 "the payload is altered"
  [ ! -e started ]
}

@test "seal: what the command had enough of is checked as well" {
  local way
  random_bytes 3000000 >data
  sealed <data
  damage flip 7 q/jobs/fspl-1.fspl
  gzip -1 <q/jobs/fspl-1.fspl >packed
  for way in judge close; do
    process --early-end $way true
    failed_job 1 "the payload is altered"
  done
  cp packed q/jobs/fspl-1.fspl
  for way in judge close; do
    process -d 'gzip -dc' --early-end $way true
    failed_job 1 "the payload is altered"
  done
}

@test "seal: --require-seal is a failure of the job" {
  add_job <<<hello
  process --require-seal "${keep[@]}"
  refused 1 "it is not sealed, which --require-seal asks for"
  process --require-seal --detailed-exit "${keep[@]}"
  [ "$status" = 65 ]
  process --require-seal --stdin file "${keep[@]}"
  refused 1 "it is not sealed, which --require-seal asks for"
  gzip <q/jobs/fspl-1.fspl >packed
  sealed <<<world
  process --require-seal --on-error Leave "${keep[@]}"
  succeeded 2
  not_committed 1
  [ "$(cat got/2)" = world ]
  rm q/jobs/* got/*
  cp packed q/jobs/fspl-1.fspl
  penstock queue-set-next -q q 1
  process -d 'gzip -dc' --require-seal "${keep[@]}"
  refused 1 "it is not sealed"
  run -1 penstock queue-payload -q q -d 'gzip -dc' -j 1 --require-seal
  [[ "$output" == *"is not sealed, which --require-seal asks for" ]]
  gzip -dc packed >plain
  run -1 penstock stdin-process --require-seal "${keep[@]}" <plain
  [[ "$output" == *"it is not sealed"* ]]
  run -1 penstock stdin-payload --require-seal <plain
  [[ "$output" == *"is not sealed"* ]]
}

@test "seal: fillers can be sealed, and a NOP that was altered is not done" {
  penstock prepare-nop --fill 1 >q/jobs/fspl-1.fspl
  process --require-seal true
  refused 1 "it is not sealed"
  penstock prepare-nop --fill 1 --seal >q/jobs/fspl-1.fspl
  echo more >>q/jobs/fspl-1.fspl
  process true
  refused 1 "it has more than the 0 bytes that were sealed"
  run -1 penstock stdin-process true <q/jobs/fspl-1.fspl
  [[ "$output" == *"it has more than the 0 bytes that were sealed" ]]
  penstock prepare-nop --fill 1 --seal >q/jobs/fspl-1.fspl
  process --require-seal true
  succeeded 1
  penstock prepare-nop --fill 2 --seal | gzip >q/jobs/fspl-2.fspl
  process --require-seal -d 'gzip -dc' true
  succeeded 2
}

@test "seal: --stdin file hands over no bytes that nobody has checked" {
  sealed <<<hello
  process --stdin file "${keep[@]}"
  refused 1 "--stdin file would hand over bytes that nobody has checked"
  process --stdin file --verify before "${keep[@]}"
  succeeded 1
  [ "$(cat got/1)" = hello ]
}

@test "seal: queue-payload and stdin-payload fail at the end of what is not whole" {
  local words="its digest differs from its seal: what was printed is not to be trusted"
  random_bytes 100000 >data
  sealed <data
  penstock queue-payload -q q -j 1 | cmp - data
  damage flip 3 q/jobs/fspl-1.fspl
  if penstock queue-payload -q q -j 1 >out 2>err; then fail "queue-payload"; fi
  says "$words"
  if penstock stdin-payload <q/jobs/fspl-1.fspl >out 2>err; then fail "stdin-payload"; fi
  says "$words"
  damage cut 3 q/jobs/fspl-1.fspl
  gzip <q/jobs/fspl-1.fspl >packed
  mv packed q/jobs/fspl-1.fspl
  if penstock queue-payload -q q -d 'gzip -dc' -j 1 >out 2>err; then fail "through gzip"; fi
  says "the payload is cut"
}

@test "seal: a machine without libsodium runs no sealed job, and others as ever" {
  add_job <<<hello
  sealed <<<world
  # In the place of the loader's: it finds nothing.
  echo 'void* dlopen(const char* name, int flags) { (void)name; (void)flags; return 0; }' >without.c
  cc -shared -fPIC -o without.so without.c
  LD_PRELOAD=$T/without.so process "${keep[@]}"
  refused 2 "seals need libsodium"
  [ "$(cat got/1)" = hello ]
  # It would befall each of them: none has failed, and none is deleted for it.
  LD_PRELOAD=$T/without.so process --on-error Delete "${keep[@]}"
  refused 2 "seals need libsodium"
  cp q/jobs/fspl-2.fspl whole
  LD_PRELOAD=$T/without.so process --on-error Delete --verify before -d cat "${keep[@]}"
  refused 2 "seals need libsodium"
  cmp whole q/jobs/fspl-2.fspl
  # Nor is a file called unreadable that is whole.
  local decoder
  for decoder in "" cat; do
    if LD_PRELOAD=$T/without.so penstock verify ${decoder:+-d "$decoder"} q/jobs/fspl-2.fspl >out 2>err; then fail "verify"; fi
    [ ! -s out ]
    grep -q "seals need libsodium" err
  done
  process "${keep[@]}"
  succeeded 2
}

@test "seal: JSON tells of the seal" {
  sealed <<<hello
  add_job <<<hello
  [ "$(penstock queue-ls -q q --json | jq -c '[.[].seal]')" = '[{"payload_bytes":6},null]' ]
  [ "$(penstock queue-info -q q -j 1 --json | jq -c .seal)" = \
    "{\"payload_bytes\":6,\"blake2b_256\":\"$(echo hello | b2sum -l 256 | cut -d' ' -f1)\"}" ]
  [ "$(penstock queue-info -q q -j 2 --json | jq -c .seal)" = null ]
  [ "$(penstock stdin-info --json <q/jobs/fspl-1.fspl | jq .seal.payload_bytes)" = 6 ]
}

@test "seal: of two deliveries of one sealed job the whole one runs, whichever comes first" {
  local broken policy
  random_bytes 200000 >payload
  penstock prepare -s - -i payload --seal >whole
  for broken in cut altered; do
    if [ $broken = cut ]; then head -c 150000 whole >bad; else perl -0777 -pe 'substr($_, -1) ^= "\1"' whole >bad; fi
    for policy in Retry quarantine; do
      rm -rf got/* q/jobs/*
      penstock queue-set-next -q q 1
      cp bad q/jobs/fspl-a.fspl
      process --on-error Retry "${keep[@]}"
      [ "$status" = 1 ] || { show; fail "it did not fail" || return 1; }
      cp whole q/jobs/fspl-b.fspl
      process --on-error $policy "${keep[@]}"
      succeeded 1 || fail "$broken $policy" || return 1
      cmp payload got/1 && says "fspl-a.fspl is skipped: it failed, and is not what was sealed"
      # The bad one is of a number that is done.
      [ "$(ls q/jobs)" = fspl-a.fspl ]
      process --remove-old true
      [ -z "$(ls q/jobs)" ]
    done
    # Alone it obeys the policy as any other.
    cp bad q/jobs/fspl-a.fspl
    penstock queue-set-next -q q 1
    process --on-error Delete "${keep[@]}"
    [ "$status" = 0 ] && [ "$(cat q/nextseq)" = 2 ] && [ -z "$(ls q/jobs)" ]
  done
}

@test "seal: one sealed job stored in two ways is one job" {
  random_bytes 3000 >payload
  penstock prepare -s - -i payload --seal >whole
  zstd -q -1 <whole >q/jobs/fspl-a.fspl
  zstd -q -19 --no-check <whole >q/jobs/fspl-b.fspl
  penstock queue-ls -q q -d 'zstd -dcq' --marks | grep -q 'duplicate *fspl-b.fspl'
  process -d 'zstd -dcq' "${keep[@]}"
  succeeded 1
  cmp payload got/1 && [ -z "$(ls q/jobs)" ]
  # Another job of that number is none, and so is one that was not sealed.
  penstock queue-set-next -q q 1
  cp whole q/jobs/fspl-a.fspl
  penstock prepare -s - -i payload --seal -- other >q/jobs/fspl-b.fspl
  process "${keep[@]}"
  [ "$status" = 1 ] && says "carry this number and differ"
  penstock prepare -s - -i payload >q/jobs/fspl-b.fspl
  process "${keep[@]}"
  [ "$status" = 1 ] && says "carry this number and differ"
}
