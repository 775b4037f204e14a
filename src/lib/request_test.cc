#include "lib/request.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/error.h"

namespace penstock::lib {
namespace {

Request full_request() {
  Request request;
  request.stages = {{"gpg", "-d"}, {"sh", "-c", std::string("\xff\0:12", 5)}, {""}};
  request.options.gate = api::Gate::eof;
  request.options.verify_before = true;
  request.options.spool_dir = "/a b";
  request.options.pipe_size = 65536;
  request.options.also_ok = {2, 255};
  request.options.timeout = std::chrono::milliseconds(1);
  request.options.kill_grace = std::chrono::milliseconds(2);
  request.options.stall_after = std::chrono::milliseconds(3);
  request.options.on_stall = api::OnStall::kill;
  request.options.kill_after = std::chrono::milliseconds(4);
  return request;
}

Answer full_answer() {
  Answer answer{.error = "open x: no", .error_number = 2, .result = {}};
  answer.result.ok = true;
  answer.result.ending = api::Ending::stalled;
  answer.result.sentence = "gpg exited 2";
  answer.result.may_have_been_applied = true;
  answer.result.stuck = "zfs 4711 …";
  answer.result.stalls = {"a", ""};
  api::StageResult stage;
  stage.command = {"gpg"};
  stage.pid = 4711;
  stage.exit_code = 0;
  stage.signal = 13;
  stage.start_error = 2;
  stage.bytes_read = UINT64_MAX;
  stage.bytes_written = 7;
  stage.took = std::chrono::milliseconds(8);
  answer.result.stages = {stage, {}};
  return answer;
}

TEST(Request, ComesBackWhole) {
  const Request back = Request::decode(full_request().encode());
  EXPECT_EQ(back.stages, full_request().stages);
  EXPECT_EQ(back.options.gate, api::Gate::eof);
  EXPECT_TRUE(back.options.verify_before);
  EXPECT_EQ(back.options.spool_dir, "/a b");
  EXPECT_EQ(back.options.pipe_size, 65536U);
  EXPECT_EQ(back.options.also_ok, (std::vector<int>{2, 255}));
  EXPECT_EQ(back.options.timeout.count(), 1);
  EXPECT_EQ(back.options.kill_grace.count(), 2);
  EXPECT_EQ(back.options.stall_after.count(), 3);
  EXPECT_EQ(back.options.on_stall, api::OnStall::kill);
  EXPECT_EQ(back.options.kill_after.count(), 4);
  EXPECT_EQ(back.encode(), full_request().encode());
}

TEST(Answer, ComesBackWhole) {
  const Answer back = Answer::decode(full_answer().encode());
  EXPECT_EQ(back.error, "open x: no");
  EXPECT_EQ(back.error_number, 2);
  EXPECT_TRUE(back.result.ok);
  EXPECT_EQ(back.result.ending, api::Ending::stalled);
  EXPECT_EQ(back.result.stuck, full_answer().result.stuck);
  EXPECT_EQ(back.result.stalls, full_answer().result.stalls);
  ASSERT_EQ(back.result.stages.size(), 2U);
  EXPECT_EQ(back.result.stages[0].pid, 4711);
  EXPECT_EQ(back.result.stages[0].exit_code, 0);
  EXPECT_EQ(back.result.stages[0].signal, 13);
  EXPECT_EQ(back.result.stages[0].bytes_read, UINT64_MAX);
  EXPECT_EQ(back.result.stages[1].exit_code, std::nullopt);
  EXPECT_EQ(back.encode(), full_answer().encode());
}

TEST(Request, CutAnywhereIsRefused) {
  const std::string whole = full_request().encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(Request::decode(std::string_view(whole).substr(0, size)), Error) << size;
  }
  EXPECT_THROW(Request::decode(whole + "1:0"), Error);
}

TEST(Request, AnyBytesAreARequestOrAnError) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    try {
      Request::decode(bytes);
      Answer::decode(bytes);
    } catch (const Error&) {
    }
  }));
}

TEST(Request, KeepsAnyStages) {
  EXPECT_TRUE(rc::check([](const std::vector<api::Command>& stages) {
    Request request;
    request.stages = stages;
    RC_ASSERT(Request::decode(request.encode()).stages == stages);
  }));
}

}  // namespace
}  // namespace penstock::lib
