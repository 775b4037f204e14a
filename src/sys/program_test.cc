#include "sys/program.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace penstock::sys {
namespace {

class Programs : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "penstock-program-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string script(const std::string& name, const std::string& text, mode_t mode = 0755) {
    const std::string path = dir_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  std::string dir_;
};

TEST_F(Programs, AreLookedForAlongThePath) {
  EXPECT_EQ(program_places("a/b", "/x:/y"), std::vector<std::string>{"a/b"});
  EXPECT_EQ(program_places("b", "/x::/y"), (std::vector<std::string>{"/x/b", "b", "/y/b"}));
  const std::string path = script("tool", "#!/bin/sh\n");
  EXPECT_EQ(find_program("tool", "/nowhere:" + dir_).path, path);
  EXPECT_EQ(find_program("tool", "/nowhere").error, ENOENT);
  EXPECT_EQ(find_program(dir_, "").error, EACCES) << "a directory";
  EXPECT_EQ(find_program("", dir_).error, ENOENT) << "and not the directory";
  EXPECT_EQ(find_program(script("plain", "x", 0644), "").error, EACCES);
}

TEST_F(Programs, ABadInterpreterIsNamed) {
  EXPECT_EQ(bad_interpreter(script("good", "#!/bin/sh\n")), std::nullopt);
  EXPECT_EQ(bad_interpreter(script("blanks", "#! \t/bin/sh -e\n")), std::nullopt);
  EXPECT_EQ(bad_interpreter(script("none", "echo\n")), std::nullopt);
  EXPECT_EQ(bad_interpreter(script("empty", "")), std::nullopt);
  EXPECT_EQ(bad_interpreter(script("short", "#!")), std::nullopt);
  EXPECT_EQ(bad_interpreter(dir_), std::nullopt);
  for (const char* line : {"#!/no/such -x\n", "#!/no/such", "#!  /no/such\t\n"}) {
    const auto bad = bad_interpreter(script("bad", line));
    ASSERT_TRUE(bad) << line;
    EXPECT_EQ(bad->path, "/no/such") << line;
    EXPECT_EQ(bad->error, ENOENT) << line;
  }
}

TEST_F(Programs, AFailureSaysWhatIsMissing) {
  const std::string bad = script("bad", "#!/no/such\n");
  EXPECT_EQ(exec_failure(bad, "", ENOENT),
            "start " + bad + ": its interpreter /no/such: No such file or directory");
  EXPECT_EQ(exec_failure("none", dir_, ENOENT), "start none: No such file or directory");
  EXPECT_EQ(exec_failure("", dir_, EACCES), "start \"\": Permission denied");
  EXPECT_NE(exec_failure(script("text", "echo\n"), "", ENOEXEC).find("#!/bin/sh"),
            std::string::npos);
}

}  // namespace
}  // namespace penstock::sys
