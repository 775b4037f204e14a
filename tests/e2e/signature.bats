# Signed job files: made and checked, also by and for the real minisign; and what is not signed as it should be is never
# followed by a commit, nor by anything else that its header asks for.
load queue_helpers

bats_require_minimum_version 1.5.0

# That of queue_helpers, and a pair of keys.
setup() {
  begin_queue_test
  penstock keygen ours
  insist=(--trust ours.pub --require-signature)
}

# signed [ENCODER...] <PAYLOAD: as add_job, with a signature.
signed() {
  [ $# -gt 0 ] || set -- cat
  jobs=$((jobs + 1))
  penstock prepare -s "$T/seq" -i - --sign "$T/ours.key" | "$@" >"$T/q/jobs/fspl-$jobs.fspl"
}

# edit CODE FILE...: run Perl over the metadata block ($_) of each, and make both checksums anew: fspl finds nothing wrong.
edit() {
  perl -MCompress::Zlib -e '
    my $code = shift;
    for my $name (@ARGV) {
      local $/;
      open my $f, "<", $name or die; binmode $f; my $packet = <$f>; close $f;
      my $length = unpack "Q>", substr $packet, 14, 8;
      local $_ = substr $packet, 30, $length;
      eval "$code; 1" or die $@;
      my $prefix = substr($packet, 0, 14) . pack("Q> N", length, crc32($_));
      open $f, ">", $name or die; binmode $f;
      print $f $prefix, pack("N", crc32($prefix)), $_, substr($packet, 30 + $length);
    }' "$@"
}

# renumber N FILE: from a number below 128 to another.
renumber() { edit "s/\\xa3seq./\\xa3seq\\x$(printf %02x "$1")/s" "$2"; }

# passed_over WORDS: nothing was run, and the queue waits for number 1 as before.
passed_over() {
  [ "$status" = 0 ] && [ "$(cat q/nextseq)" = 1 ] || { show; fail "it was acted upon" || return 1; }
  not_committed 1 && says "$1"
}

@test "signature: the real minisign accepts what we sign, and uses our keys" {
  local file
  FSPL_SET_x='a b' penstock prepare -s - -i /etc/passwd --sign ours.key -- p1 '' >prepared
  penstock prepare-nop --fill 3 --sign ours.key --for backup >filler
  penstock enqueue -q q -s seq -i /etc/passwd --sign ours.key -- p1
  cp q/jobs/* enqueued
  penstock prepare -s - -i /etc/passwd >signed-later
  penstock sign --key ours.key signed-later
  for file in prepared filler enqueued signed-later; do
    mkdir x-$file
    penstock verify --trust ours.pub --extract x-$file $file >out
    grep -q "whole: .*; signed by ours.pub, key [0-9A-F]*: timestamp:[0-9]*" out || { cat out; fail $file || return 1; }
    logged minisign -V -p ours.pub -m x-$file/$file.header
    echo >>x-$file/$file.header
    run -1 minisign -V -p ours.pub -m x-$file/$file.header
  done
  echo text >text
  logged minisign -S -s ours.key -m text
  logged minisign -V -p ours.pub -m text
  [ "$(stat -c %a ours.key)" = 600 ]
}

@test "signature: what the real minisign signs is accepted, in both of its forms" {
  local form
  logged minisign -G -W -p real.pub -s real.key
  echo hello >data
  for form in '' -l; do
    rm -rf x got/*
    mkdir x
    penstock queue-set-next -q q 1
    penstock prepare -s - -i data --seal >packet
    penstock verify --extract x packet
    # shellcheck disable=SC2086
    logged minisign -S $form -s real.key -m x/packet.header -t 'queue:backup'
    penstock sign --from x/packet.header.minisig packet
    penstock verify --trust real.pub --require-signature --queue-name backup packet >out
    grep -q 'whole: 6 bytes; signed by real.pub, key .*: queue:backup' out
    cp packet q/jobs/fspl-1.fspl
    process --trust ours.pub --trust real.pub --require-signature "${keep[@]}"
    succeeded 1
    cmp data got/1
  done
  # Its secret key is of use to us, too.
  penstock prepare -s - -i data --sign real.key >packet
  penstock verify --trust real.pub --require-signature packet
}

@test "signature: fspl reads a signed job file as any other" {
  FSPL_SET_x='a b' penstock prepare -s - -i /etc/passwd -- p1 >plain
  cp plain packet
  penstock sign --key ours.key packet
  [ "$(/usr/bin/fspl stdin-info <packet)" = "$(/usr/bin/fspl stdin-info <plain)" ]
  /usr/bin/fspl stdin-payload <packet | cmp - /etc/passwd
  # Signed anew it is as good, and no longer.
  size=$(stat -c %s packet)
  penstock sign --key ours.key packet
  [ "$(stat -c %s packet)" = "$size" ]
  penstock verify --trust ours.pub --require-signature packet
}

@test "signature: altered at 1000 random places, never a commit" {
  local i n seed=${PENSTOCK_SEED:-50607}
  random_bytes 3000 >data
  for ((i = 1; i <= 41; i++)); do
    FSPL_SET_x=a penstock prepare -s seq -i data --sign ours.key -- --param >good-$i
  done
  # Of each of 40: 6 in what comes before the seal, 6 in the seal, 12 in the signature, all with good checksums; and one
  # byte of the payload, under the right name.
  perl -MCompress::Zlib -e '
    srand shift;
    for my $job (1 .. 40) {
      local $/;
      open my $f, "<", "good-$job" or die; binmode $f; my $packet = <$f>; close $f;
      my $length = unpack "Q>", substr $packet, 14, 8;
      my $block = substr $packet, 30, $length;
      my $payload = substr $packet, 30 + $length;
      my ($seal, $signature) = (index($block, "\xadpenstock_seal"), index($block, "\xb2penstock_signature"));
      die if $seal < 0 || $signature < $seal;
      my %parts = (header => [0, $seal, 6], seal => [$seal, $signature, 6], signature => [$signature, $length, 12]);
      for my $part (sort keys %parts) {
        my ($from, $to, $times) = @{$parts{$part}};
        for my $i (1 .. $times) {
          my $bad = $block;
          substr($bad, $from + int rand($to - $from), 1) ^= chr(1 << int rand 8);
          my $prefix = substr($packet, 0, 14) . pack("Q> N", length $bad, crc32($bad));
          open $f, ">", "q/jobs/fspl-$job-$part-$i.fspl" or die; binmode $f;
          print $f $prefix, pack("N", crc32($prefix)), $bad, $payload;
          close $f;
        }
      }
      # In the file as it is: checksums, magic, version, length.
      my $bad = $packet;
      substr($bad, int rand 30, 1) ^= chr(1 << int rand 8);
      open $f, ">", "q/jobs/fspl-$job-prefix.fspl" or die; binmode $f; print $f $bad; close $f;
      $bad = $packet;
      substr($bad, 30 + $length + int rand length $payload, 1) ^= chr(1 << int rand 8);
      open $f, ">", "q/jobs/fspl-$job.fspl" or die; binmode $f; print $f $bad; close $f;
    }' "$seed"
  [ "$(ls q/jobs | wc -l)" -ge 1000 ]
  if penstock verify "${insist[@]}" q/jobs/* >verified; then fail "all are good" || return 1; fi
  [ "$(grep -c '; signed by ours.pub' verified)" = 40 ]  # those with an altered payload
  run -1 grep -q 'whole: .*; signed by' verified
  cp good-41 q/jobs/fspl-41.fspl
  for ((n = 1; n <= 41; n++)); do
    penstock queue-set-next -q q $n
    process "${insist[@]}" --on-error Delete --allow-job-params "$root/tests/support/commit_at_eof" -- "$T/got"
    # A thousand files are skipped and three of each kind told about, without a control character.
    if grep -qP '[^\n\x20-\x7e]' err; then fail "a control character" || return 1; fi
    [ $n -le 40 ] || continue
    says "fspl-$n.fspl is skipped: it failed, and is not what was sealed: the payload is altered"
    if [ "$(cat q/nextseq)" != $n ] || [ ! -e q/jobs/fspl-$n.fspl ]; then fail "job $n was taken (seed $seed)" || return 1; fi
  done
  succeeded 41
  [ "$(ls got)" = 41 ] || { ls got; fail "COMMITTED (seed $seed)" || return 1; }
}

@test "signature: swapped payloads" {
  random_bytes 5000 >one
  random_bytes 5000 >two
  signed <one
  signed <two
  head -c -5000 q/jobs/fspl-1.fspl | cat - two >swapped
  mv swapped q/jobs/fspl-1.fspl
  process "${insist[@]}" "${keep[@]}"
  refused 1 "the payload is altered"
}

@test "signature: a new number, another time, other parameters: with good checksums, and passed over" {
  signed <<<hello
  signed <<<world
  cp q/jobs/fspl-1.fspl good
  cp q/jobs/fspl-2.fspl q/jobs/fspl-2-as-1.fspl
  rm q/jobs/fspl-[12].fspl
  renumber 1 q/jobs/fspl-2-as-1.fspl
  [ "$(/usr/bin/fspl stdin-info <q/jobs/fspl-2-as-1.fspl | grep SEQ)" = FSPL_SEQ=1 ]
  process "${insist[@]}" "${keep[@]}"
  passed_over "fspl-2-as-1.fspl is skipped: has a signature that is not good"
  rm q/jobs/*
  penstock prepare -s - --sign ours.key -- --safe >q/jobs/fspl-1.fspl
  # "--safe" is an array of six integers.
  edit 's/\x2d\x2d\x73\x61\x66\x65/\x2d\x2d\x65\x76\x69\x6c/ or die' q/jobs/fspl-1.fspl
  /usr/bin/fspl stdin-info <q/jobs/fspl-1.fspl | grep -q -- '=--evil'
  process "${insist[@]}" --allow-job-params touch -- "$T/got/1"
  passed_over "has a signature that is not good"
  cp good q/jobs/fspl-1.fspl
  edit 's/(\xa5ctime\x92\xce..)(.)/$1 . ($2 ^ "\x01")/se or die' q/jobs/fspl-1.fspl
  process "${insist[@]}" "${keep[@]}"
  passed_over "has a signature that is not good"
  # The good one beside it runs: a packet that nobody vouches for is no rival.
  cp good q/jobs/fspl-good.fspl
  process "${insist[@]}" "${keep[@]}"
  [ "$(cat q/nextseq)" = 2 ] && [ "$(cat got/1)" = hello ]
  [ -e q/jobs/fspl-1.fspl ]
}

@test "signature: an old packet does not run again, under its own number or a new one" {
  signed <<<hello
  cp q/jobs/fspl-1.fspl old
  process "${insist[@]}" "${keep[@]}"
  succeeded 1
  rm got/1
  cp old q/jobs/fspl-again.fspl
  cp old q/jobs/fspl-as-2.fspl
  renumber 2 q/jobs/fspl-as-2.fspl
  process "${insist[@]}" "${keep[@]}"
  [ "$(cat q/nextseq)" = 2 ]
  [ -z "$(ls got)" ] || fail COMMITTED
  says "fspl-as-2.fspl is skipped: has a signature that is not good"
}

@test "signature: of a stranger, and none at all" {
  local way
  penstock keygen strange
  penstock prepare -s - -i /etc/passwd --sign strange.key >stranger
  penstock prepare -s - -i /etc/passwd --seal >unsigned
  for way in cat 'gzip -c'; do
    decoder=()
    if [ "$way" != cat ]; then decoder=(-d 'gzip -dc'); fi
    rm -f q/jobs/*
    $way <stranger >q/jobs/fspl-1.fspl
    process "${decoder[@]}" "${insist[@]}" "${keep[@]}"
    passed_over "which is none of those that are trusted"
    $way <unsigned >q/jobs/fspl-1.fspl
    process "${decoder[@]}" "${insist[@]}" --skipped-status 9 "${keep[@]}" && [ "$status" = 9 ]
    says "is not signed, which --require-signature asks for"
    not_committed 1
    # Beside a good one of the same number neither is a rival, also when it has another's id.
    $way <stranger >q/jobs/fspl-2.fspl
    penstock prepare -s - -i ours.pub --sign ours.key | $way >q/jobs/fspl-3.fspl
    process "${decoder[@]}" "${insist[@]}" "${keep[@]}"
    [ "$status" = 0 ] && [ "$(cat q/nextseq)" = 2 ] || { show; fail "the good one did not run" || return 1; }
    cmp got/1 ours.pub
    rm got/1
    penstock queue-set-next -q q 1
  done
  run -1 penstock stdin-process "${insist[@]}" "${keep[@]}" <stranger
  [[ "$output" == *"which is none of those that are trusted" ]]
  run -1 penstock stdin-process "${insist[@]}" "${keep[@]}" <unsigned
  [[ "$output" == *"is not signed, which --require-signature asks for" ]]
  not_committed 1
  cat strange.pub ours.pub >both.pub
  penstock stdin-process --trust both.pub --require-signature "${keep[@]}" <stranger
  cmp got/1 /etc/passwd
}

@test "signature: without --require-signature one that is there must be good" {
  penstock keygen strange
  add_job <<<hello
  process --trust ours.pub "${keep[@]}"
  succeeded 1
  penstock prepare -s - --sign strange.key >q/jobs/fspl-2.fspl
  renumber 2 q/jobs/fspl-2.fspl
  process --trust ours.pub --trust strange.pub "${keep[@]}"
  says "has a signature that is not good"
  process --trust ours.pub "${keep[@]}"
  says "which is none of those that are trusted"
  [ "$(cat q/nextseq)" = 2 ]
  # And without --trust nobody looks.
  process true
  [ "$(cat q/nextseq)" = 3 ]
}

@test "signature: for one queue and not another" {
  penstock prepare -s - -i ours.pub --sign ours.key --for daily >q/jobs/fspl-1.fspl
  process "${insist[@]}" --queue-name weekly "${keep[@]}"
  passed_over "is not signed for the queue weekly"
  process "${insist[@]}" --queue-name dail "${keep[@]}"
  passed_over "is not signed for the queue dail"
  process "${insist[@]}" --queue-name daily "${keep[@]}"
  succeeded 1
  penstock prepare-nop --fill 2 --sign ours.key >q/jobs/fspl-2.fspl
  process "${insist[@]}" --queue-name daily "${keep[@]}"
  says "is not signed for the queue daily"
  [ "$(cat q/nextseq)" = 2 ]
}

# flip FILE: a bit of the last byte of its payload.
flip() { perl -0777 -pi -e 'substr($_, -1) ^= "\1"' "$1"; }

@test "signature: a good header before another payload takes no number, and no file's place" {
  local policy name
  random_bytes 200000 >data
  penstock prepare -s - -i data --sign ours.key >genuine
  cp genuine evil
  flip evil
  for policy in Retry Delete Leave quarantine; do
    rm -rf got/* q/jobs/*
    penstock queue-set-next -q q 1
    cp evil q/jobs/fspl-m.fspl
    process "${insist[@]}" --on-error $policy "${keep[@]}"
    passed_over "fspl-m.fspl is skipped: it failed, and is not what was sealed" || fail $policy || return 1
    [ -e q/jobs/fspl-m.fspl ]
    # Beside it the one that is whole runs, whichever comes first.
    for name in fspl-a fspl-z; do
      cp evil q/jobs/fspl-m.fspl
      cp genuine q/jobs/$name.fspl
      penstock queue-set-next -q q 1
      process "${insist[@]}" --on-error $policy "${keep[@]}"
      succeeded 1 || fail "$policy, $name" || return 1
      cmp data got/1 && rm got/1
    done
  done
}

@test "signature: the same with a decoder that the payload breaks, and with a command that ends at once" {
  local policy
  random_bytes 200000 >data
  penstock prepare -s - -i data --sign ours.key | gzip >genuine
  head -c 100000 genuine >evil
  for policy in Retry Delete quarantine; do
    rm -rf got/* q/jobs/*
    penstock queue-set-next -q q 1
    cp evil q/jobs/fspl-m.fspl
    process "${insist[@]}" -d 'gzip -dc' --on-error $policy "${keep[@]}"
    passed_over "fspl-m.fspl is skipped: it failed, and is not what was sealed" || fail $policy || return 1
    process "${insist[@]}" -d 'gzip -dc' --on-error $policy false
    passed_over "fspl-m.fspl is skipped: it failed, and is not what was sealed" || fail $policy || return 1
    cp genuine q/jobs/fspl-z.fspl
    process "${insist[@]}" -d 'gzip -dc' --on-error $policy "${keep[@]}"
    succeeded 1 || fail $policy || return 1
    cmp data got/1
  done
  # A job that is what was sealed fails as ever.
  rm -f q/jobs/*
  penstock queue-set-next -q q 1
  cp genuine q/jobs/fspl-1.fspl
  process "${insist[@]}" -d 'gzip -dc' --on-error quarantine false
  [ "$status" = 0 ] && [ "$(cat q/nextseq)" = 2 ] && says "moved to" || { show; fail "it was not moved" || return 1; }
}

@test "signature: a file whose header never comes stops nobody" {
  printf '#!/bin/sh\nread -r first\n[ "$first" != WAIT ] || exec sleep 300\nexec cat\n' >decoder
  chmod +x decoder
  { echo WAIT; echo x; } >q/jobs/fspl-0.fspl
  random_bytes 3000 >data
  { echo GO; penstock prepare -s - -i data --sign ours.key; } >q/jobs/fspl-1.fspl
  process "${insist[@]}" --header-timeout 1 -d ./decoder "${keep[@]}"
  succeeded 1 && cmp data got/1
  says "fspl-0.fspl is skipped: the decoder gave no header within 1 s"
  # Where anything counts it may be the next one.
  { echo GO; penstock prepare -s - -i data; } >q/jobs/fspl-2.fspl
  process --header-timeout 1 -d ./decoder "${keep[@]}"
  [ "$status" = 1 ] && says "fspl-0.fspl: the decoder gave no header within 1 s"
}

@test "signature: what lists and shows jobs passes over the same files" {
  local command
  penstock prepare -s - -i /etc/hostname >q/jobs/fspl-0.fspl
  signed </etc/passwd
  for command in queue-ls queue-sweep; do
    run -0 penstock $command -q q "${insist[@]}"
    [[ "$output" != *"fspl-0.fspl 1"* ]] && [[ "$output" == *"fspl-0.fspl is skipped: is not signed"* ]]
  done
  run -0 penstock queue-sweep -q q
  [[ "$output" == *conflict* ]]
  penstock queue-payload -q q -j 1 "${insist[@]}" 2>err | cmp - /etc/passwd
  penstock queue-info -q q -j 1 "${insist[@]}" 2>err | grep -q '^FSPL_JOB_FILENAME=fspl-1.fspl$'
  run -1 penstock queue-payload -q q -j 1
}

@test "signature: a FIFO is no key, and keeps nobody waiting; a key for all eyes is told" {
  mkfifo fifo
  echo hello >data
  signed <data
  process --trust fifo --require-signature "${keep[@]}"
  [ "$status" = 1 ] && says "fifo"
  run -1 timeout 20 "$PENSTOCK" prepare -s seq -i data --sign fifo
  chmod 644 ours.key
  penstock prepare -s - -i data --sign ours.key >packet 2>err
  grep -q 'ours.key is a secret key, and not for its owner alone' err
  # Two halves that do not belong together would give the secret away.
  penstock keygen other
  chmod 600 ours.key
  perl -MMIME::Base64 -e '
    my @halves = map { open my $f, "<", $_ or die; my @lines = <$f>; decode_base64($lines[1]) } @ARGV;
    substr($halves[0], 62 + 32, 32) = substr($halves[1], 62 + 32, 32);
    substr($halves[0], -32) = "\0" x 32;
    print "untrusted comment: minisign secret key\n", encode_base64($halves[0], ""), "\n"' ours.key other.key >mixed
  chmod 600 mixed
  run -1 penstock prepare -s - -i data --sign mixed
  [[ "$output" == *"its two halves do not belong together"* ]]
  penstock prepare -s - -i data >unsealed
  penstock verify --extract . packet
  run -1 penstock sign --from packet.header.minisig unsealed
  [[ "$output" == *"unsealed is not sealed"* ]]
}

@test "signature: bad keys and options: one line, nothing done" {
  local before
  before=$(cat ours.key ours.pub)
  run -1 penstock keygen ours
  [ "${#lines[@]}" = 1 ]
  rm ours.pub
  run -1 penstock keygen ours
  [ ! -e ours.pub ]
  mv ours.key o.key
  touch ours.pub
  run -1 penstock keygen ours
  [ ! -e ours.key ]
  mv o.key ours.key
  tail -n 1 <<<"$before" >ours.pub
  echo hello >data
  signed <data
  cp q/jobs/fspl-1.fspl packet
  echo nothing >bad
  : >empty
  for file in bad empty ours.key nowhere; do
    process --trust $file --require-signature "${keep[@]}"
    [ "$status" = 1 ] && [ "$(wc -l <err)" = 1 ] && [ "$(cat q/nextseq)" = 1 ] || { show; fail $file || return 1; }
    says $file
  done
  # A bit of the key is another one; one that minisign has encrypted says what to do.
  perl -pe 's/^(.{180})(.)/$1 . ($2 eq "A" ? "B" : "A")/e if $. == 2' <ours.key >damaged
  perl -pe 's/^RWQA../RWRTY0/' <ours.key >encrypted
  for file in bad empty ours.pub nowhere damaged encrypted; do
    run -1 penstock prepare -s seq -i data --sign $file
    [ "${#lines[@]}" = 1 ] && [[ "$output" == *$file* ]] || fail "$file: $output" || return 1
    cp packet before
    run -1 penstock sign --key $file packet
    cmp before packet
  done
  [[ "$output" == *"is encrypted with a password"* ]]
  [ "$(penstock prepare-get-next -s seq)" = 2 ]
  run -1 penstock sign --from bad packet
  run -2 penstock queue-process -q q --require-signature true
  run -2 penstock queue-process -q q --queue-name x true
  run -2 penstock queue-process -q q "${insist[@]}" --ignore-payload true
  run -2 penstock sign packet
  run -2 penstock prepare -s - --for x
  run -1 penstock prepare -s - --sign ours.key --for $'a\tb'
}

@test "signature: a machine without libsodium checks none, and blames no job" {
  signed <<<hello
  echo 'void* dlopen(const char* name, int flags) { (void)name; (void)flags; return 0; }' >without.c
  cc -shared -fPIC -o without.so without.c
  LD_PRELOAD=$T/without.so process "${insist[@]}" --on-error Delete "${keep[@]}"
  refused 1 "signatures need libsodium"
  process "${insist[@]}" "${keep[@]}"
  succeeded 1
}

@test "signature: JSON of verify tells of it" {
  penstock prepare -s - --sign ours.key >packet
  penstock prepare -s - --seal >sealed
  run -1 penstock verify --json "${insist[@]}" packet sealed
  [ "$(jq -c '[.[].signature.trusted]' <<<"$output")" = '[true,null]' ]
  penstock verify packet >out
  grep -q 'signed with key .*, which was not checked' out
}
