# The whole way: ZFS, zstd, gpg, two NNCP nodes, and back.
# bats file_tags=full
load helpers

@test "2 x 16 snapshots through nncp, shuffled and doubled, arrive equal" {
  need_zfs
  command -v nncp-exec >/dev/null || skip "SKIPPED: no nncp"
  logged in_namespaces bash "$BATS_TEST_DIRNAME/nncp_zfs.sh"
}
