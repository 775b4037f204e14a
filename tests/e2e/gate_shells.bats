# Decoder strings that are left to a shell, with a left half that fails.
load queue_helpers

# $NOTHING makes the string opaque.
opaque='gzip -dc $NOTHING | cat'

damaged_gzip_job() {
  random_bytes 300000 | add_job gzip -c
  flip_bit q/jobs/fspl-1.fspl 5
}

@test "bash gets pipefail: the failing left half refuses the job" {
  export SHELL=/bin/bash
  damaged_gzip_job
  process -d "$opaque" "${keep[@]}"
  refused 1 "bash exited 1"
  says_not "hides a pipe"
}

@test "bash with && and a pattern: refused as well" {
  export SHELL=/bin/bash
  damaged_gzip_job
  process -d "test -d [q] && gzip -dc | cat" "${keep[@]}"
  refused 1 "bash exited 1"
}

@test "dash has no pipefail: there is a warning, and --strict-decoder refuses" {
  export SHELL=/bin/dash
  damaged_gzip_job
  process --strict-decoder -d "$opaque" "${keep[@]}"
  [ "$status" = 1 ] || { show; fail "not refused"; }
  says "refused by --strict-decoder"
  not_committed 1
  process -d "$opaque" "${keep[@]}"
  succeeded 1
  says "a failure inside it goes unseen"
}

@test "fish has none either: a warning, and --strict-decoder refuses" {
  command -v fish >/dev/null || skip "SKIPPED: no fish"
  SHELL=$(command -v fish)
  export SHELL
  mkdir -p tmp
  damaged_gzip_job
  process --strict-decoder -d 'gzip -dc | cat' "${keep[@]}"
  [ "$status" = 1 ] || { show; fail "not refused"; }
  says "refused by --strict-decoder"
  not_committed 1
  process -d 'gzip -dc | cat' "${keep[@]}"
  succeeded 1
  says "a failure inside it goes unseen"
}

@test "without a pipe in the string every shell's status is the decoder's" {
  local shell
  for shell in bash dash fish; do
    command -v $shell >/dev/null || continue
    rm -rf q seq && penstock queue-init -q q && jobs=0
    damaged_gzip_job
    SHELL=$(command -v $shell) process --strict-decoder -d 'gzip -dc $NOTHING' "${keep[@]}"
    refused 1 "$shell exited 1"
  done
}

@test "the same strings with a good packet" {
  local shell
  for shell in bash dash fish; do
    command -v $shell >/dev/null || continue
    rm -rf q seq got && mkdir got && penstock queue-init -q q && jobs=0
    random_bytes 300000 >data
    add_job gzip -c <data
    SHELL=$(command -v $shell) process -d "$opaque" "${keep[@]}"
    succeeded 1
    cmp data got/1
  done
}
