// Which decoders ask gpg's agent, and how it is started for those that cannot do it themselves.
#include "work/gpg_agent.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/text.h"

namespace penstock::work {
namespace {

using Words = std::vector<std::string>;

pipeline::DecoderPlan plan_of(std::string_view decoder) {
  return pipeline::plan_decoder(decoder, {.shell = "/bin/sh"});
}

pipeline::DecoderPlan confined(std::string_view decoder) {
  pipeline::DecoderPlan plan = plan_of(decoder);
  for (pipeline::StageSpec& stage : plan.stages) stage.sandboxed = true;
  return plan;
}

// A directory with programs that nobody runs.
class GpgAgent : public testing::Test {
 protected:
  GpgAgent() {
    std::filesystem::create_directory(bin_);
    for (const char* name : {"gpg", "gpg2", "gpgconf", "zstd"}) install(name);
  }
  ~GpgAgent() override { std::filesystem::remove_all(bin_); }

  void install(const std::string& name) const {
    std::ofstream(cat(bin_, "/", name)) << "#!/bin/sh\n";
    ::chmod(cat(bin_, "/", name).c_str(), 0755);
  }
  Words launched_by(const pipeline::DecoderPlan& plan) const {
    const auto launch = agent_launch(plan, bin_);
    return launch ? launch->argv : Words{};
  }

  const std::string bin_ = cat(testing::TempDir(), "penstock-gpg-", ::getpid());
};

TEST_F(GpgAgent, IsAskedByEveryGpgThatDecryptsAndThatWeSee) {
  for (const char* decoder : {"gpg -d", "gpg -q -d | zstd -dc", "zstd -dc | /usr/bin/gpg2 -qd",
                              "gpg --decrypt 2>/dev/null", "bash -c 'gpg -q --decr | zstdcat'"}) {
    EXPECT_TRUE(asks_gpg_agent(plan_of(decoder))) << decoder;
  }
  for (const char* decoder : {"zstd -dc", "gpg --dearmor", "gpg -v", "gpg --verify", "gpgsm -d",
                              "my-gpg -d", "gpg -d $X | zstd", "sh -c 'gpg -d && true'"}) {
    EXPECT_FALSE(asks_gpg_agent(plan_of(decoder))) << decoder;
  }
}

TEST_F(GpgAgent, IsStartedOnlyForAConfinedGpg) {
  const std::string gpgconf = cat(bin_, "/gpgconf");
  EXPECT_EQ(launched_by(confined("gpg -q -d | zstd -dc")),
            (Words{gpgconf, "--launch", "gpg-agent"}));
  EXPECT_EQ(launched_by(plan_of("gpg -q -d | zstd -dc")), Words());
  EXPECT_EQ(launched_by(confined("zstd -dc")), Words());
  EXPECT_EQ(launched_by(confined("gpg -d $X")), Words());
}

TEST_F(GpgAgent, IsTheOneOfTheSameHome) {
  const std::string gpgconf = cat(bin_, "/gpgconf");
  const Words launch{gpgconf, "--homedir", "/k/eys", "--launch", "gpg-agent"};
  for (const char* decoder : {"gpg --homedir /k/eys -d", "gpg -d --homedir=/k/eys",
                              "gpg --home /k/eys -qd", "gpg --ho=/k/eys -d"}) {
    EXPECT_EQ(launched_by(confined(decoder)), launch) << decoder;
  }
  EXPECT_EQ(launched_by(confined("gpg -d --homedir")), Words());
}

TEST_F(GpgAgent, IsLeftAloneWhereGpgIsToldOfIt) {
  for (const char* decoder :
       {"gpg --no-autostart -d", "gpg --agent-program=/bin/x -d", "gpg --agent-p /bin/x -d"}) {
    EXPECT_EQ(launched_by(confined(decoder)), Words()) << decoder;
  }
}

TEST_F(GpgAgent, IsStartedByTheGpgconfBesideItsGpgAndByNoOther) {
  EXPECT_EQ(launched_by(confined(cat(bin_, "/gpg -d"))),
            (Words{cat(bin_, "/gpgconf"), "--launch", "gpg-agent"}));
  std::filesystem::remove(cat(bin_, "/gpgconf"));
  EXPECT_EQ(launched_by(confined("gpg -d")), Words());
  std::filesystem::remove(cat(bin_, "/gpg"));
  EXPECT_EQ(launched_by(confined("gpg -d")), Words());
}

TEST_F(GpgAgent, GetsNoneOfOurStreams) {
  const auto launch = agent_launch(confined("gpg -d"), bin_);
  ASSERT_TRUE(launch);
  ASSERT_EQ(launch->redirects.size(), 3U);
  for (const pipeline::Redirect& redirect : launch->redirects) {
    EXPECT_EQ(redirect.path, "/dev/null");
  }
  EXPECT_FALSE(launch->sandboxed);
}

}  // namespace
}  // namespace penstock::work
