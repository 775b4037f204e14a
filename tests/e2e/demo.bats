# The README's first command, with the binary at hand.
# bats file_tags=full
load helpers

@test "the demo: ZFS" {
  need_zfs
  logged "$root/scripts/demo"
  [ "$(grep -c ' equal ' "$T/log")" = 17 ]
  grep -q 'seen through' "$T/log" || fail "does not say what the decoder string was taken for"
  grep -q 'home@s9 in the store: none' "$T/log"
}

@test "the demo: tar archives, where there is no ZFS" {
  DEMO_STORE=tar logged "$root/scripts/demo"
  grep -q 'tar archives stand in' "$T/log"
  [ "$(grep -c ' equal ' "$T/log")" = 17 ]
  grep -q 'home@s9 in the store: none' "$T/log"
}
