#include "cli/doctor_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "doctor/testing/staged.h"

namespace penstock::cli {
namespace {

using nlohmann::json;

constexpr doctor::RuleInfo kRule{.id = "R01", .name = "lost wakeup", .reference = "CVE-2023-52672"};

TEST(DoctorJson, HasAllMembersOfTheSchemaWhateverIsKnown) {
  doctor::testing::Staged stage;
  stage.process(101, "a\xff").stdout_pipe(10).writing(1).arguments({"a", "\xfe"});
  stage.process(102, "b").stdin_pipe(10).reading(0);
  stage.pipe(10).refused(33);
  const procfs::Snapshot before = stage.before();
  const procfs::Snapshot now = stage.now();
  const doctor::Scene scene(before, now);
  doctor::Diagnosis diagnosis;
  diagnosis.kernel = "6.1.52";
  diagnosis.findings = {{.rule = &kRule,
                         .culprit = scene.find(101)->id(),
                         .victims = {scene.find(102)->id()},
                         .pipe = 10,
                         .evidence = {"one"},
                         .remedies = {{.step = doctor::Step::nudge, .safe = true}}},
                        {.rule = &kRule}};
  diagnosis.unknown = {{scene.find(102)->id(), "b 102: …"}};
  const std::string line =
      json_of(diagnosis, doctor::Verdict::stuck, scene, {}, JsonLayout::one_line);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const json all = json::parse(line);
  for (const char* name :
       {"schema", "verdict", "findings", "graph", "unknown", "unreadable", "kernel"}) {
    EXPECT_TRUE(all.contains(name)) << name;
  }
  EXPECT_EQ(all["schema"], 1);
  EXPECT_EQ(all["verdict"], "stuck");
  const json& first = all["findings"][0];
  for (const char* name : {"rule", "name", "severity", "certainty", "culprit", "victims", "pipe",
                           "since_s", "evidence", "remedies", "reference", "sentence"}) {
    EXPECT_TRUE(first.contains(name)) << name;
  }
  EXPECT_EQ(first["culprit"]["comm"], "a\\xff");
  EXPECT_EQ(first["culprit"]["cmdline"], (json{"a", "\\xfe"}));
  EXPECT_EQ(first["remedies"][0]["step"], "H1");
  EXPECT_EQ(first["remedies"][0]["safe"], true);
  EXPECT_EQ(first["pipe"]["inode"], 10);
  EXPECT_TRUE(first["pipe"]["writable"].is_null());
  EXPECT_EQ(first["pipe"]["readers"][0]["pid"], 102);
  EXPECT_EQ(first["pipe"]["hidden_holder"], false);
  EXPECT_TRUE(first["since_s"].is_null());
  EXPECT_TRUE(all["findings"][1]["culprit"].is_null());
  EXPECT_TRUE(all["findings"][1]["pipe"].is_null());
  EXPECT_EQ(all["unknown"][0]["pid"], 102);
  EXPECT_FALSE(all.contains("healing"));
}

}  // namespace
}  // namespace penstock::cli
