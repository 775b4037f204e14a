#include "spool/header_index.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "spool/support_test.h"
#include "sys/files.h"

namespace penstock::spool {
namespace {

using namespace testing;
using Scan = HeaderIndex::Scan;

constexpr std::string_view kWay = "zstd -dcq";

FileIdentity file(uint64_t inode) {
  return {.device = 7, .inode = inode, .size = 100, .modified = {.seconds = 5, .nanoseconds = 6}};
}
constexpr Timestamp kChanged{.seconds = 8, .nanoseconds = 9};
IndexedHeader header(uint64_t number) {
  return {.number = number, .created = {.seconds = 1}, .sealed_bytes = {}, .sealed_as = {}};
}

class HeaderIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { Queue::init(queue_.dir(), {}); }

  HeaderIndex loaded(std::string_view way = kWay) const {
    HeaderIndex index(queue_, way);
    index.load();
    return index;
  }
  // The numbers of files 1 to `last`, 0 for one that is not known.
  static std::string known(HeaderIndex index, uint64_t last) {
    std::string text;
    for (uint64_t inode = 1; inode <= last; ++inode) {
      const IndexRow* row = index.find("name", file(inode), kChanged);
      text += (text.empty() ? "" : " ") +
              std::to_string(row ? std::get<IndexedHeader>(row->entry).number : 0);
    }
    return text;
  }
  void store(uint64_t first, uint64_t last, std::string_view way = kWay) const {
    HeaderIndex index = loaded(way);
    for (uint64_t inode = first; inode <= last; ++inode)
      index.add("name", file(inode), kChanged, header(inode * 10));
    index.save(Scan::whole);
  }
  std::string path() const { return queue_.dir() + "/penstock/index"; }
  std::string mode(const std::string& path) const { return shell("stat -c %a " + path).out; }

  const Scratch scratch_;
  const Queue queue_{scratch_.path("q")};
};

TEST_F(HeaderIndexTest, IsEmptyBeforeAndFindsWhatWasStored) {
  EXPECT_EQ(known(loaded(), 2), "0 0");
  EXPECT_FALSE(exists(queue_.dir() + "/penstock")) << "nothing is made to look";
  store(1, 2);
  EXPECT_EQ(known(loaded(), 3), "10 20 0");
  store(3, 3);
  EXPECT_EQ(known(loaded(), 3), "10 20 30");
  EXPECT_EQ(mode(path()), "600\n");
  EXPECT_EQ(mode(queue_.dir() + "/penstock"), "700\n");
}

TEST_F(HeaderIndexTest, FindsNoOtherFileAndNoOtherWay) {
  store(1, 1);
  HeaderIndex index = loaded();
  EXPECT_NE(index.find("name", file(1), kChanged), nullptr);
  EXPECT_EQ(index.find("other", file(1), kChanged), nullptr);
  EXPECT_EQ(index.find("name", file(1), {.seconds = 8, .nanoseconds = 10}), nullptr);
  for (const auto& change : std::initializer_list<void (*)(FileIdentity&)>{
           [](FileIdentity& id) { ++id.device; }, [](FileIdentity& id) { ++id.inode; },
           [](FileIdentity& id) { ++id.size; }, [](FileIdentity& id) { ++id.modified.seconds; },
           [](FileIdentity& id) { ++id.modified.nanoseconds; }}) {
    FileIdentity other = file(1);
    change(other);
    EXPECT_EQ(index.find("name", other, kChanged), nullptr);
  }
  EXPECT_EQ(known(loaded("zstd -dc"), 1), "0");
  store(1, 1, "zstd -dc");
  EXPECT_EQ(known(loaded(), 1), "10") << "both are kept";
}

TEST_F(HeaderIndexTest, TheLaterRowCounts) {
  store(1, 1);
  HeaderIndex index = loaded();
  index.forget(file(1));
  EXPECT_EQ(known(index, 1), "0");
  index.add("name", file(1), kChanged, header(99));
  index.save(Scan::whole);
  EXPECT_EQ(known(index, 1), "99");
  EXPECT_EQ(known(loaded(), 1), "99");
}

TEST_F(HeaderIndexTest, DamageCostsOnlyTheLinesThatItStruck) {
  store(1, 3);
  const std::string text = read_file(path());
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    write_file(path(), text.substr(0, cut));
    const std::string left = known(loaded(), 3);
    EXPECT_TRUE(left == "0 0 0" || left == "10 0 0" || left == "10 20 0" || left == "10 20 30");
  }
  write_file(path(), text.substr(0, text.size() - 5));
  EXPECT_EQ(known(loaded(), 3), "10 20 0");
  store(4, 4);
  EXPECT_EQ(known(loaded(), 4), "10 20 0 40") << "behind a torn line";
  for (size_t at = kIndexIntro.size(); at < text.size(); at += 7) {
    std::string bad = text;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_file(path(), bad);
    const std::string left = known(loaded(), 3);
    EXPECT_TRUE(left == "0 20 30" || left == "10 0 30" || left == "10 20 0" || left == "0 0 30" ||
                left == "10 0 0")
        << left;
  }
}

TEST_F(HeaderIndexTest, WhatIsNotOursIsReplaced) {
  for (const char* text : {"", "penstock-index 2\nrow\n", "\x01\x02", "penstock-index 1"}) {
    store(1, 1);
    write_file(path(), text);
    EXPECT_EQ(known(loaded(), 1), "0");
    store(2, 2);
    EXPECT_EQ(known(loaded(), 2), "0 20");
  }
}

TEST_F(HeaderIndexTest, WhatNobodyAsksForGoesInTheEnd) {
  store(1, 2000);
  const size_t before = read_file(path()).size();
  {
    HeaderIndex index = loaded();
    index.find("name", file(5), kChanged);
    index.save(Scan::cut_short);
    EXPECT_EQ(read_file(path()).size(), before) << "not all were seen";
    index.save(Scan::whole);
  }
  EXPECT_LT(read_file(path()).size(), 500U);
  EXPECT_EQ(known(loaded(), 6), "0 0 0 0 50 0");
}

TEST_F(HeaderIndexTest, WhileSomebodyElseStoresNothingIsStored) {
  store(1, 1);
  const auto other = sys::open_file(path(), O_RDWR);
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  store(2, 2);
  EXPECT_EQ(known(loaded(), 2), "10 0");
}

TEST_F(HeaderIndexTest, AnAppendOnlyQueueHasNone) {
  const Queue queue(scratch_.path("a"));
  Queue::init(queue.dir(), {.append_only = true});
  HeaderIndex index(queue, kWay);
  index.load();
  index.add("name", file(1), kChanged, header(1));
  index.save(Scan::whole);
  EXPECT_EQ(list(queue.dir()), "jobs");
}

TEST_F(HeaderIndexTest, NothingLeadsElsewhere) {
  store(1, 1);
  ASSERT_EQ(::unlink(path().c_str()), 0);
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_EQ(known(loaded(), 1), "0");
  store(1, 1);
  ASSERT_EQ(::unlink(path().c_str()), 0);
  store(1, 1);
  ASSERT_EQ(::chmod(path().c_str(), 0620), 0);
  EXPECT_EQ(known(loaded(), 1), "0") << "others may have written it";
}

TEST_F(HeaderIndexTest, ForRootItIsTheQueuesOwnersAndNobodyElsesForOthers) {
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root";
  ASSERT_EQ(shell("chown -R 65534:65534 " + queue_.dir()).status, 0);
  store(1, 1);
  EXPECT_EQ(shell("stat -c '%u %g' " + queue_.dir() + "/penstock " + path()).out,
            "65534 65534\n65534 65534\n");
  EXPECT_TRUE(as_nobody([&] { return known(loaded(), 1) == "10"; }));
  // In somebody else's queue nobody makes anything.
  ASSERT_EQ(shell("rm -r " + queue_.dir() + "/penstock; chown 0:0 " + queue_.dir() +
                  "; chmod 777 " + queue_.dir())
                .status,
            0);
  EXPECT_TRUE(as_nobody([&] {
    store(1, 1);
    return !exists(queue_.dir() + "/penstock");
  }));
}

TEST_F(HeaderIndexTest, AFullDiskLeavesItAsItWas) {
  store(1, 1);
  const std::string before = read_file(path());
  // A limit of the file's size is as good as a full disk.
  const pid_t child = ::fork();
  if (child == 0) {
    rlimit limit{.rlim_cur = before.size() + 50, .rlim_max = before.size() + 50};
    ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    store(2, 9);
    ::_exit(0);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(path()), before);
  EXPECT_EQ(known(loaded(), 2), "10 0");
}

RC_GTEST_PROP(IndexLine, RoundTrip, ()) {
  IndexRow row;
  row.name = *rc::gen::arbitrary<uint64_t>();
  row.way = *rc::gen::arbitrary<uint64_t>();
  row.id = {.device = *rc::gen::arbitrary<uint64_t>(),
            .inode = *rc::gen::arbitrary<uint64_t>(),
            .size = *rc::gen::arbitrary<uint64_t>(),
            .modified = {.seconds = *rc::gen::arbitrary<int64_t>(),
                         .nanoseconds = *rc::gen::arbitrary<uint32_t>()}};
  row.changed = {.seconds = *rc::gen::arbitrary<int64_t>(),
                 .nanoseconds = *rc::gen::arbitrary<uint32_t>()};
  if (*rc::gen::arbitrary<bool>()) {
    IndexedHeader header;
    header.number = *rc::gen::arbitrary<uint64_t>();
    header.created = {.seconds = *rc::gen::inRange<int64_t>(kMinSeconds, kMaxSeconds),
                      .nanoseconds = *rc::gen::inRange<uint32_t>(0, 1'999'999'999)};
    if (*rc::gen::arbitrary<bool>()) {
      header.sealed_bytes = *rc::gen::arbitrary<uint64_t>();
      header.sealed_as = *rc::gen::arbitrary<uint64_t>();
    }
    row.entry = header;
  } else {
    row.entry = IndexedFailure{.found = {.seconds = *rc::gen::arbitrary<int64_t>(),
                                         .nanoseconds = *rc::gen::arbitrary<uint32_t>()},
                               .reason = *rc::gen::arbitrary<std::string>()};
  }
  const std::string line = encode(row);
  RC_ASSERT(line.ends_with('\n'));
  RC_ASSERT(line.find('\n') == line.size() - 1);
  const auto back = decode_index_line(std::string_view(line).substr(0, line.size() - 1));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == row);
  const size_t cut = *rc::gen::inRange<size_t>(0, line.size() - 1);
  RC_ASSERT(!decode_index_line(std::string_view(line).substr(0, cut)));
}

}  // namespace
}  // namespace penstock::spool
