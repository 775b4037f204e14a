#include "sys/directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "sys/files.h"

namespace penstock::sys {
namespace {

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() { std::filesystem::create_directory(path_); }
  ~DirectoryTest() override { std::filesystem::remove_all(path_); }

  const std::string path_ = std::filesystem::temp_directory_path() /
                            ("penstock-directory-test-" + std::to_string(::getpid()));
};

TEST_F(DirectoryTest, AHeldFileIsGoneOnlyWhenItIsLetGo) {
  const Directory directory(path_);
  write_all(open_file(path_ + "/small", O_WRONLY | O_CREAT).get(), "x", "small");
  auto hold = directory.try_hold("small");
  ASSERT_TRUE(hold);
  EXPECT_NE(::fcntl(hold->get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_TRUE(directory.remove("small"));
  EXPECT_TRUE(std::filesystem::is_empty(path_));
  const struct stat status = status_of(hold->get(), "small");
  EXPECT_EQ(status.st_nlink, 0U);
  EXPECT_EQ(status.st_size, 1);
}

TEST_F(DirectoryTest, HoldsALinkAndNotItsEndAndNothingThatIsNotThere) {
  const Directory directory(path_);
  directory.make_symlink("nowhere", "link");
  const auto hold = directory.try_hold("link");
  ASSERT_TRUE(hold);
  EXPECT_TRUE(S_ISLNK(status_of(hold->get(), "link").st_mode));
  EXPECT_FALSE(directory.try_hold("nobody"));
}

}  // namespace
}  // namespace penstock::sys
