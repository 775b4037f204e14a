# Every byte arrives, whatever the payload's size, the gate's strength and the way through it.
load queue_helpers

sizes=(0 1 65535 65536 65537)

# all_sizes OPTION...: plain, and decoded, in-process and by the decoder; while it runs, and verified before.
all_sizes() {
  local verify way i decoder=()
  for way in plain gzip tool; do
    for verify in during before; do
      rm -rf "$T/q" "$T/seq" "$T/got" "$T/data"
      penstock queue-init -q "$T/q"
      mkdir "$T/got" "$T/data"
      jobs=0
      for ((i = 1; i <= ${#sizes[@]}; i++)); do
        random_bytes "${sizes[i - 1]}" >"$T/data/$i"
        if [ $way = plain ]; then add_job <"$T/data/$i"; else add_job gzip -c <"$T/data/$i"; fi
      done
      if [ $way != plain ]; then decoder=(-d 'gzip -dc'); fi
      if [ $way = tool ]; then decoder+=(--no-builtin-decoders); fi
      process --verify $verify "${decoder[@]}" "$@" "${keep[@]}"
      succeeded ${#sizes[@]} || fail "$way, verified $verify: $*" || return 1
      for ((i = 1; i <= ${#sizes[@]}; i++)); do cmp "$T/data/$i" "$T/got/$i"; done
    done
  done
}

@test "0, 1, 65535, 65536 and 65537 bytes: the gate's default" { all_sizes; }
@test "0, 1, 65535, 65536 and 65537 bytes: --gate hold" { all_sizes --gate hold; }
@test "0, 1, 65535, 65536 and 65537 bytes: --gate eof" { all_sizes --gate eof; }
@test "0, 1, 65535, 65536 and 65537 bytes: --gate off" { all_sizes --gate off; }

@test "0 to 65537 bytes in a pipe of 4096" { all_sizes --pipe-size 4096; }

@test "a payload that dribbles in, a byte at a time, fills no pipe by slots" {
  # Each byte waits until the one before it was taken (FIONREAD says so), and so takes a page's slot: 256 of them fill
  # the largest pipe.
  cat >"$T/dribble" <<-'END'
	#!/usr/bin/perl
	while (sysread STDIN, my $byte, 1) {
	  syswrite STDOUT, $byte;
	  my $left = pack "i", 1;
	  select undef, undef, undef, 0.0001 while ioctl(STDOUT, 0x541B, $left) && unpack "i", $left;
	}
	END
  chmod +x "$T/dribble"
  seq 1 500 >"$T/data"
  add_job gzip -c <"$T/data"
  process -d "gzip -dc | ./dribble" "${keep[@]}"
  succeeded 1
  cmp "$T/data" "$T/got/1"
}

# A gigabyte in which pages that change places show: a number every 4,000 bytes, and zeros between.
numbered() { perl -e 'print pack "A16 x3984", $_ for 1 .. 250_000'; }

# gigabyte OPTION...
gigabyte() {
  local verify sum
  sum=$(numbered | sha256sum)
  numbered | add_job gzip -1 -c
  cp q/jobs/fspl-1.fspl packed
  { penstock prepare -s - -i /dev/null; numbered; } >plain
  for verify in during before; do
    limit=300 process --verify $verify -d 'gzip -dc' --no-builtin-decoders "$@" sh -- -c 'sha256sum >got/packed'
    succeeded 1 || return 1
    [ "$(cat got/packed)" = "$sum" ] || fail "through gzip, verified $verify: other bytes"
    if [ $verify = during ]; then
      cp packed q/jobs/fspl-1.fspl
      penstock queue-set-next -q q 1
      limit=300 process -d 'gzip -dc' "$@" sh -- -c 'sha256sum >got/packed'
      succeeded 1 || return 1
      [ "$(cat got/packed)" = "$sum" ] || fail "in-process: other bytes"
    fi
    cp plain q/jobs/fspl-1.fspl
    penstock queue-set-next -q q 1
    limit=300 process --verify $verify "$@" sh -- -c 'sha256sum >got/plain'
    succeeded 1 || return 1
    [ "$(cat got/plain)" = "$sum" ] || fail "plain, verified $verify: other bytes"
    cp packed q/jobs/fspl-1.fspl
    penstock queue-set-next -q q 1
  done
}

# bats test_tags=full
@test "a gigabyte: --gate hold" { gigabyte --gate hold; }
# bats test_tags=full
@test "a gigabyte: --gate eof" { gigabyte --gate eof; }
# bats test_tags=full
@test "a gigabyte: --gate off" { gigabyte --gate off; }
