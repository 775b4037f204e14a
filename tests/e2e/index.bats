# The header index: jobs that wait are decoded once and not once a run; and whatever happens to it, the jobs are the same.
load queue_helpers

bats_require_minimum_version 1.5.0

# That of queue_helpers, and a decoder that counts how often it was begun.
setup() {
  begin_queue_test
  counting_decoder
}

# waiting FIRST LAST: jobs behind a gap; old enough for a change to show in their times.
waiting() {
  local n
  for ((n = $1; n <= $2; n++)); do
    echo "payload $n" | penstock prepare -s - -i - | gzip >"q/jobs/fspl-$n.fspl"
    penstock prepare -s seq-$n >/dev/null
    printf '%s\n' $n >seq-$n
    echo "payload $n" | penstock prepare -s seq-$n -i - | gzip >"q/jobs/fspl-$n.fspl"
  done
  settle
}
settle() { sleep 0.2; }

listed() { penstock queue-ls -q q -d ./decoder "$@" | awk 'NR > 1 { print $1 }' | tr '\n' ' '; }

@test "index: behind a gap a second run decodes nothing, and runs everything once the gap is filled" {
  waiting 2 5
  process -d ./decoder "${keep[@]}"
  [ "$status" = 0 ] && says "waiting for job 1; 4 later jobs are here"
  began 4 cold
  [ "$(stat -c %a q/penstock q/penstock/index | tr '\n' ' ')" = "700 600 " ]
  process -d ./decoder "${keep[@]}"
  says "waiting for job 1; 4 later jobs are here"
  began 0 warm
  [ "$(listed)" = "2 3 4 5 " ]
  began 0 "queue-ls, warm"
  waiting 1 1
  process -d ./decoder "${keep[@]}"
  succeeded 5
  for n in 1 2 3 4 5; do [ "$(cat got/$n)" = "payload $n" ]; done
  began 5 "each at its turn"
}

@test "index: queue-ls makes one, the decoder string and its shell decide whether it counts" {
  waiting 1 3
  [ "$(listed)" = "1 2 3 " ] && began 3 cold
  [ "$(listed)" = "1 2 3 " ] && began 0 warm
  [ "$(penstock queue-ls -q q -d './decoder ' | wc -l)" = 4 ] && began 3 "another string"
  [ "$(SHELL=/bin/bash penstock queue-ls -q q -d ./decoder | wc -l)" = 4 ]
  [ "$(wc -l <begun)" = 3 ] || [ "$SHELL" = /bin/bash ]
  : >begun
  [ "$(listed)" = "1 2 3 " ] && began 0 "and the first is still known"
  [ "$(listed --no-index)" = "1 2 3 " ] && began 3 --no-index
}

@test "index: a queue that is drained, and --no-index, leave none" {
  waiting 1 2
  process -d ./decoder "${keep[@]}"
  succeeded 2
  [ "$(ls q)" = "$(printf 'jobs\nnextseq\nnextseq.lock')" ]
  waiting 4 4
  process --no-index -d ./decoder "${keep[@]}"
  [ "$(listed --no-index)" = "4 " ]
  [ "$(ls q)" = "$(printf 'jobs\nnextseq\nnextseq.lock')" ]
}

@test "index: a file that was replaced, renamed or touched is decoded again" {
  waiting 2 3
  [ "$(listed)" = "2 3 " ] && began 2 cold
  # As large as the old one, which depends on the bits of its time.
  as_large() {
    echo 7 >seq
    echo "payload 7" | penstock prepare -s seq -i - | gzip >new
    [ "$(stat -c %s new)" = "$(stat -c %s q/jobs/fspl-3.fspl)" ]
  }
  until_true as_large
  touch -r q/jobs/fspl-3.fspl new
  cat new >q/jobs/fspl-3.fspl # the same inode, size and, below, mtime
  touch -r new q/jobs/fspl-3.fspl
  settle
  [ "$(listed)" = "2 7 " ] && began 1 replaced
  mv q/jobs/fspl-2.fspl q/jobs/fspl-x.fspl
  settle
  [ "$(listed)" = "2 7 " ] && began 1 renamed
  touch q/jobs/fspl-x.fspl
  settle
  [ "$(listed)" = "2 7 " ] && began 1 touched
  [ "$(listed)" = "2 7 " ] && began 0 "known again"
}

@test "index: damaged, unreadable, not to be written, locked, gone: the same jobs, decoded" {
  waiting 2 4
  [ "$(listed)" = "2 3 4 " ] && began 3 cold
  cp q/penstock/index whole
  local way
  echo precious >precious
  for way in empty garbage cut flipped directory fifo link hardlink gone; do
    rm -rf q/penstock/index
    case $way in
    empty) : >q/penstock/index ;;
    garbage) head -c 3000 /dev/urandom >q/penstock/index ;;
    cut) head -c -30 whole >q/penstock/index ;;
    flipped) perl -pe 's/ \+ 3 / + 1 /' whole >q/penstock/index ;;
    directory) mkdir q/penstock/index ;;
    fifo) mkfifo q/penstock/index ;;
    link) ln -s "$PWD/precious" q/penstock/index ;;
    hardlink) ln precious q/penstock/index ;;
    esac
    : >begun
    [ "$(listed)" = "2 3 4 " ] || fail $way || return 1
    [ "$(wc -l <begun)" -ge 1 ] || fail "$way: nothing was decoded" || return 1
    process -d ./decoder "${keep[@]}"
    says "waiting for job 1; 3 later jobs are here" || fail $way || return 1
    [ "$(cat precious)" = precious ] || fail "$way: written through" || return 1
  done
  cp whole q/penstock/index
  chmod 600 q/penstock/index
  : >begun
  flock q/penstock/index sh -c "$(declare -p PENSTOCK | sed 's/declare -x //'); \"\$PENSTOCK\" queue-ls -q q -d ./decoder" | grep -c fspl- | grep -qx 3
  began 0 "reading needs no lock"
}

@test "index: why a file gave no header is kept for a while, and --retry-undecodable tries" {
  waiting 2 2
  echo garbage >q/jobs/fspl-bad.fspl
  settle
  process -d ./decoder "${keep[@]}"
  says "fspl-bad.fspl is skipped" && began 2 cold
  process -d ./decoder "${keep[@]}"
  says "fspl-bad.fspl is skipped" && began 0 warm
  says "one of them was not tried again, as it had failed less than 10 minutes ago (--retry-undecodable tries)"
  process --retry-undecodable -d ./decoder "${keep[@]}"
  says "fspl-bad.fspl is skipped" && began 1 --retry-undecodable
  says_not "not tried again"
  # The gap's own number, at last: a file that has changed is another one.
  echo "payload 1" | penstock prepare -s - -i - | gzip >q/jobs/fspl-bad.fspl
  process -d ./decoder "${keep[@]}"
  succeeded 2
  [ "$(cat got/1)" = "payload 1" ]
}

@test "index: a header that came after a failure takes its place" {
  waiting 2 2
  printf '#!/bin/sh\n[ ! -e %s/broken ] || exit 2\nexec gzip -dc\n' "$T" >breaks && chmod +x breaks
  settle
  touch broken && process -d ./breaks "${keep[@]}"
  says "fspl-2.fspl is skipped: breaks exited 2"
  rm broken && process -d ./breaks --retry-undecodable "${keep[@]}"
  says_not "is skipped"
  process -d ./breaks "${keep[@]}"
  says_not "is skipped"
}

@test "index: what it says wrongly does no harm" {
  waiting 1 2
  [ "$(listed)" = "1 2 " ]
  # With good checks: it says that the file of job 2 carries 1.
  perl -e '
    use integer;
    while (<STDIN>) {
      if (s/ \+ 2 / + 1 / && s/ [0-9a-f]+\n//) {
        my ($high, $low) = (0xcbf29ce4, 0x84222325);
        my $hash = 0xcbf29ce484222325;
        for my $c (unpack "C*", $_) { $hash ^= $c; $hash *= 0x100000001b3 }
        $_ .= sprintf " %x\n", $hash;
      }
      print;
    }' <q/penstock/index >lying
  cat lying >q/penstock/index
  [ "$(listed)" = "1 1 " ] || skip "this perl cannot make the check"
  process -d ./decoder "${keep[@]}"
  [ "$status" = 1 ] # two files of one number that differ
  [ ! -e got/2 ]
  process --no-index -d ./decoder "${keep[@]}"
  succeeded 2
}

@test "index: what it knows and what cannot be decoded at its turn is skipped, as without it" {
  waiting 1 3
  cat >breaks <<'SH'
#!/bin/sh
case $(readlink /proc/$$/fd/0) in *fspl-2.fspl) [ ! -e broken ] || exit 9 ;; esac
exec gzip -dc
SH
  chmod +x breaks
  penstock queue-ls -q q -d ./breaks | grep -c fspl- | grep -qx 3
  : >broken
  process -d ./breaks "${keep[@]}"
  says "job 2 (fspl-2.fspl) cannot be decoded any more"
  says_not "changes each time"
  local option
  for option in "" --no-index; do
    process $option -d ./breaks "${keep[@]}"
    [ "$status" = 0 ] && [ "$(cat q/nextseq)" = 2 ] || { show; fail "with '$option'"; }
    says "fspl-2.fspl is skipped: breaks exited 9"
    says "waiting for job 2; 1 later job is here"
  done
  rm broken
  process -d ./breaks --retry-undecodable "${keep[@]}"
  succeeded 3
}

@test "index: fspl in between finds nothing changed" {
  waiting 1 3
  [ "$(listed)" = "1 2 3 " ]
  /usr/bin/fspl queue-process -q q -d 'gzip -dc' -n 1 "${keep[@]:0:1}" -- "$T/got"
  [ "$(listed)" = "2 3 " ]
  process -d ./decoder "${keep[@]}"
  succeeded 3
}

@test "index: keys are part of it" {
  penstock keygen a && penstock keygen b
  echo 1 >seq
  echo hello | penstock prepare -s seq -i - --sign a.key | gzip >q/jobs/fspl-1.fspl
  settle
  [ "$(listed --trust a.pub --require-signature)" = "1 " ] && began 1 cold
  [ "$(listed --trust a.pub --require-signature)" = "1 " ] && began 0 warm
  [ "$(listed --trust b.pub --require-signature)" = "" ] && began 1 "another key"
  [ "$(listed --trust a.pub --require-signature --queue-name q)" = "" ] && began 1 "another name"
  [ "$(listed --trust a.pub --require-signature)" = "1 " ] && began 0 "and the first is still known"
}

@test "index: --scan-jobs decoders at a time" {
  waiting 2 7
  cat >slow <<'SH'
#!/bin/bash
exec 9>>counter; flock 9; n=$(($(cat running 2>/dev/null || echo 0) + 1)); echo $n >running; echo $n >>most; flock -u 9
gzip -dc
flock 9; echo $(($(cat running) - 1)) >running; flock -u 9
SH
  chmod +x slow
  penstock queue-ls -q q -d ./slow --scan-jobs 1 | grep -c fspl- | grep -qx 6
  [ "$(wc -l <most)" = 6 ]
  run -2 penstock queue-ls -q q -d ./slow --scan-jobs 0
}
