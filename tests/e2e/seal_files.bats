# prepare --seal, enqueue --seal, seal and verify: what they make, leave alone and say.
load queue_helpers

bats_require_minimum_version 1.5.0

# full_packet DATA FILE: with parameters, variables, and a key of a later version.
full_packet() {
  FSPL_SET_x='a b' penstock prepare -s - -i "$1" -- p1 '' >plain
  perl -MCompress::Zlib -e '
    local $/;
    my $packet = <STDIN>;
    my $length = unpack "Q>", substr $packet, 14, 8;
    my $block = substr $packet, 30, $length;
    substr($block, 0, 1) = chr(ord(substr $block, 0, 1) + 1);
    $block .= "\xa6future\x92\x01\xa1x";
    my $prefix = substr($packet, 0, 14) . pack("Q> N", length $block, crc32($block));
    print $prefix, pack("N", crc32($prefix)), $block, substr($packet, 30 + $length)' <plain >"$2"
}

no_temporary() {
  [ -z "$(find . -name 'tmp-*')" ] || { find . -name 'tmp-*'; fail "left behind: $*"; }
}

@test "seal: enqueue --seal, of a file, of a pipe and of nothing" {
  random_bytes 3000000 >data
  penstock enqueue -q q -s seq -i data --seal
  cat data | penstock enqueue -q q -s seq -i - --seal
  penstock enqueue -q q -s - --seal
  penstock verify q/jobs/* >out
  [ "$(grep -c 'whole: 3000000 bytes' out)" = 2 ]
  grep -q 'job 1: whole: 0 bytes' out
}

@test "seal: prepare --seal keeps up to a MiB in memory, more in a file without a name, and of a file nothing" {
  random_bytes 5000000 >data
  mkdir spool
  cat data | strace -f -qq -e trace=openat -o trace "$PENSTOCK" prepare -s - -i - --seal --spool-dir spool >piped
  grep -q '"spool".*O_TMPFILE' trace
  [ -z "$(ls spool)" ]
  strace -f -qq -e trace=openat -o trace "$PENSTOCK" prepare -s - -i data --seal --spool-dir spool >twice
  run -1 grep -q O_TMPFILE trace
  head -c 1000000 data | strace -f -qq -e trace=openat -o trace "$PENSTOCK" prepare -s - -i - --seal >few
  run -1 grep -q O_TMPFILE trace
  # What was read of standard input before is not the payload.
  perl -e 'sysread STDIN, my $begin, 100; exec @ARGV' "$PENSTOCK" prepare -s - -i - --seal <data >rest
  penstock verify piped twice few rest
  tail -c 5000000 piped | cmp - data
  tail -c 4999900 rest | cmp - <(tail -c +101 data)
}

@test "seal: a file that changes between its two readings is no job" {
  random_bytes 3000000 >data
  mkfifo pipe
  # What comes out waits for its reader, who changes the file first.
  "$PENSTOCK" prepare -s seq -i data --seal >pipe 2>err 3>&- &
  {
    head -c 1000 >/dev/null
    printf altered | dd of=data bs=1000000 seek=2 conv=notrunc status=none
    cat >/dev/null
  } <pipe
  status=0
  wait $! || status=$?
  [ "$status" = 1 ]
  says "data changed while it was read; number 1 is lost"
}

@test "seal: no number is used by a payload that cannot be stored" {
  random_bytes 3000000 >data
  if cat data | penstock prepare -s seq -i - --seal --spool-dir nowhere >out 2>err; then fail "it was stored"; fi
  says "nowhere"
  [ ! -s out ]
  [ "$(penstock prepare-get-next -s seq)" = 1 ]
}

@test "seal: FILE keeps all that it had" {
  random_bytes 200000 >data
  full_packet data packet
  chmod 640 packet
  cp -p packet before
  penstock seal packet
  [ "$(stat -c %a packet)" = 640 ]
  [ "$(penstock stdin-info <packet)" = "$(penstock stdin-info <before)" ]
  /usr/bin/fspl stdin-payload <packet | cmp - data
  grep -aq future packet
  [ "$(penstock verify packet)" = "packet: job 1: whole: 200000 bytes" ]
  no_temporary
  cp -p packet sealed
  penstock seal packet 2>err
  says "is sealed already, and whole"
  cmp packet sealed
}

@test "seal: what cannot be sealed is left as it is" {
  local file
  echo hello >data
  penstock prepare -s - -i data --seal | head -c -1 >cut
  penstock prepare -s - -i data | gzip >packed
  : >empty
  mkfifo fifo
  for file in cut packed empty data; do
    cp $file before
    run -1 penstock seal $file
    cmp $file before
  done
  run -1 penstock seal cut
  [ "$output" = "penstock seal: cut is sealed already: the payload is cut: 5 of 6 bytes" ]
  run -1 penstock seal packed
  [[ "$output" == *"only a plain job file can be sealed" ]]
  run -1 timeout 5 "$PENSTOCK" seal fifo
  run -1 penstock seal nowhere
  # One that cannot be does not keep the others from it.
  penstock prepare -s - -i data >good
  run -1 penstock seal empty good
  penstock verify good
  no_temporary
}

@test "seal: FILE may be a link, which stays one" {
  echo hello >data
  mkdir elsewhere
  penstock prepare -s - -i data >elsewhere/packet
  ln -s elsewhere/packet link
  penstock seal link
  [ -L link ]
  penstock verify link elsewhere/packet
}

@test "seal: killed or failing at any call, FILE is the old one or the new one" {
  local call n fault
  random_bytes 300000 >data
  penstock prepare -s - -i data >good
  for call in openat openat2 write pwrite64 fchmod fsync linkat rename; do
    for n in 1 2; do
      for fault in signal=KILL error=EIO error=ENOSPC; do
        cp good packet
        strace -f -qq -o /dev/null -e "inject=$call:$fault:when=$n" "$PENSTOCK" seal packet >out 2>&1 || true
        penstock stdin-payload <packet | cmp - data || fail "$call $n $fault" || return 1
        if [ $fault = signal=KILL ]; then rm -f tmp-*; else no_temporary "$call $n $fault" || return 1; fi
      done
    done
  done
}

@test "verify: says what each is, and is content with whole ones only" {
  local file
  random_bytes 2000 >data
  penstock prepare -s - -i data --seal >whole
  head -c -1000 whole >cut
  perl -e 'local $/; $_ = <STDIN>; substr($_, -1) ^= "\x01"; print' <whole >altered
  cat whole data >longer
  penstock prepare -s - -i data >plain
  : >empty
  penstock verify whole
  run -1 penstock verify whole cut altered longer plain empty nowhere .
  [ "$output" = "\
whole: job 1: whole: 2000 bytes
cut: job 1: cut: 1000 of 2000 bytes
altered: job 1: altered: its digest differs from its seal
longer: job 1: altered: it has more than the 2000 bytes that were sealed
plain: job 1: not sealed
empty: unreadable: is empty
nowhere: unreadable: open nowhere: No such file or directory
.: unreadable: is not a regular file" ]
  for file in cut altered longer plain empty nowhere; do run -1 penstock verify whole $file; done
  run -1 penstock verify --json cut plain
  [ "$(jq -c '[.[] | [.file_name, .state, .id, .seal.payload_bytes]]' <<<"$output")" = \
    '[["cut","cut",1,2000],["plain","not sealed",1,null]]' ]
}

@test "verify: through a decoder, which must succeed" {
  random_bytes 300000 >data
  penstock prepare -s - -i data --seal >whole
  gzip <whole >whole.gz
  head -c -1000 whole | gzip >cut.gz
  head -c 200000 whole.gz >broken.gz
  perl -e 'local $/; $_ = <STDIN>; substr($_, -5, 1) ^= "\x01"; print' <whole.gz >crc.gz
  [ "$(penstock verify -d 'gzip -dc' whole.gz)" = "whole.gz: job 1: whole: 300000 bytes" ]
  run -1 penstock verify -d 'gzip -dc' cut.gz
  [ "$output" = "cut.gz: job 1: cut: 299000 of 300000 bytes" ]
  run -1 penstock verify -d 'gzip -dc 2>/dev/null' broken.gz
  [[ "$output" == *"cut: "*" of 300000 bytes (gzip exited 1)" ]]
  run -1 penstock verify -d 'gzip -dc 2>/dev/null' crc.gz
  [ "$output" = "crc.gz: job 1: unreadable: gzip exited 1" ]
  run -1 penstock verify -d 'gzip -dc 2>/dev/null' whole
  [[ "$output" == "whole: unreadable: "* ]]
  run -1 penstock verify -d no-such-decoder whole.gz
  [[ "$output" == *no-such-decoder* ]]
  # A decoder that says much while it works does not stand still.
  timeout 20 "$PENSTOCK" verify -d "tee /dev/stderr | gzip -dc" whole.gz 2>/dev/null
}

@test "seal: a job file of a queue that is busy, or that was tried, is left alone" {
  echo hello >data
  penstock prepare -s seq -i data >q/jobs/fspl-1.fspl
  cp q/jobs/fspl-1.fspl as-it-was
  penstock queue-process -q q false 2>/dev/null || true
  if penstock seal q/jobs/fspl-1.fspl 2>err; then fail "sealed though it was tried"; fi
  says "was tried already (attempt 1)"
  cmp as-it-was q/jobs/fspl-1.fspl
  penstock queue-set-next -q q 1
  exec 8<>q/nextseq.lock
  flock 8
  if penstock seal q/jobs/fspl-1.fspl 2>err; then fail "sealed though the queue is busy"; fi
  says "is busy"
  cmp as-it-was q/jobs/fspl-1.fspl
  exec 8>&-
  penstock seal q/jobs/fspl-1.fspl
  penstock verify q/jobs/fspl-1.fspl
}

@test "seal: a file of another user keeps its owner, or is left alone" {
  [ "$(id -u)" = 0 ] || skip "SKIPPED: needs root, to be somebody else"
  chmod 711 "$T"
  install -m 755 "$PENSTOCK" penstock
  mkdir -m 1777 shared
  chmod 777 shared
  echo hello >data
  penstock prepare -s seq -i data >shared/job.fspl
  chown 1234:2345 shared/job.fspl
  chmod 644 shared/job.fspl
  cp shared/job.fspl as-it-was
  if setpriv --reuid=65534 --regid=65534 --clear-groups "$T/penstock" seal shared/job.fspl 2>err; then fail "sealed"; fi
  says "change the owner of shared/job.fspl"
  cmp as-it-was shared/job.fspl
  [ "$(ls shared)" = job.fspl ]
  penstock seal shared/job.fspl
  [ "$(stat -c %u:%g:%a shared/job.fspl)" = 1234:2345:644 ]
}
