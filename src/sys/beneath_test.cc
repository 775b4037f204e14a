#include "sys/beneath.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "sys/files.h"

namespace penstock::sys {
namespace {

constexpr uid_t kStranger = 65534;

// A directory of ours with a file, a link to a secret of ours beside the directory, and no more.
class Beneath : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "penstock-beneath-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = name;
    std::filesystem::create_directory(queue());
    write("secret", "secret");
    write("queue/plain", "plain");
    link("../secret", "link");
    fd_ = open_file(queue(), O_DIRECTORY | O_RDONLY);
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  std::string queue() const { return top_ + "/queue"; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(top_ + "/" + name) << text;
  }
  void link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(::symlink(target.c_str(), (queue() + "/" + name).c_str()), 0);
  }
  void give_to_stranger(const std::string& name) const {
    ASSERT_EQ(::lchown((queue() + "/" + name).c_str(), kStranger, kStranger), 0);
  }
  // What can be read there, or the error in the system's words.
  std::string read(const std::string& name, int flags = O_RDONLY) const {
    const auto fd = try_open_beneath(fd_.get(), name, flags);
    if (!fd) return std::strerror(errno);
    char text[16];
    const ssize_t count = ::read(fd->get(), text, sizeof text);
    return {text, count < 0 ? 0 : static_cast<size_t>(count)};
  }

  std::string top_;
  UniqueFd fd_;
};

#define PENSTOCK_NEEDS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs another user's link, so root"

TEST_F(Beneath, OpensWhatIsThere) {
  EXPECT_EQ(read("plain"), "plain");
  EXPECT_EQ(read("nothing"), std::strerror(ENOENT));
  const auto fd = try_open_beneath(fd_.get(), "plain", O_RDONLY);
  ASSERT_TRUE(fd);
  EXPECT_EQ(::fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(Beneath, OurOwnLinkIsFollowedUnlessThatIsForbidden) {
  EXPECT_EQ(read("link"), "secret");
  EXPECT_EQ(read("link", O_RDONLY | O_NOFOLLOW), std::strerror(ELOOP));
  EXPECT_EQ(planted_link(fd_.get(), "link"), std::nullopt);
}

TEST_F(Beneath, AStrangersLinkIsNot) {
  PENSTOCK_NEEDS_ROOT();
  give_to_stranger("link");
  EXPECT_EQ(read("link"), std::strerror(ELOOP));
  EXPECT_EQ(planted_link(fd_.get(), "link"), "symbolic link of uid 65534, which is not followed");
  // Nor is anything made at its end.
  link("../made", "maker");
  give_to_stranger("maker");
  EXPECT_FALSE(try_open_beneath(fd_.get(), "maker", O_WRONLY | O_CREAT, 0600));
  EXPECT_FALSE(std::filesystem::exists(top_ + "/made"));
}

TEST_F(Beneath, TheDirectorysOwnerMayPutLinks) {
  PENSTOCK_NEEDS_ROOT();
  give_to_stranger("link");
  ASSERT_EQ(::fchown(fd_.get(), kStranger, kStranger), 0);
  EXPECT_EQ(read("link"), "secret");
}

TEST_F(Beneath, NoNameLeadsOut) {
  EXPECT_FALSE(try_open_beneath(fd_.get(), "../secret", O_RDONLY));
  EXPECT_FALSE(try_open_beneath(fd_.get(), top_ + "/secret", O_RDONLY));
}

TEST_F(Beneath, MakesFilesWithTheModeThatWasAsked) {
  const mode_t before = ::umask(027);
  const auto fd = try_open_beneath(fd_.get(), "new", O_WRONLY | O_CREAT | O_EXCL, 0666);
  ::umask(before);
  ASSERT_TRUE(fd);
  struct stat status {};
  ASSERT_EQ(::fstat(fd->get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
}

TEST_F(Beneath, OfAPathTheLastComponentCounts) {
  EXPECT_TRUE(try_open_unplanted(queue() + "/link", O_RDONLY));
  EXPECT_TRUE(try_open_unplanted(queue() + "/", O_RDONLY | O_DIRECTORY));
  EXPECT_FALSE(try_open_unplanted(top_ + "/nowhere/plain", O_RDONLY));
  EXPECT_EQ(errno, ENOENT);
  EXPECT_NO_THROW(refuse_planted_link(queue() + "/link"));
  PENSTOCK_NEEDS_ROOT();
  give_to_stranger("link");
  EXPECT_FALSE(try_open_unplanted(queue() + "/link", O_RDONLY));
  EXPECT_THROW(refuse_planted_link(queue() + "/link"), Error);
  errno = ELOOP;
  EXPECT_EQ(std::string(open_error(queue() + "/link").what())
                .find(queue() + "/link is a symbolic link of uid 65534, which is not followed"),
            0U);
}

}  // namespace
}  // namespace penstock::sys
