#include "pipeline/message.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace penstock::pipeline {
namespace {

Order an_order() {
  Order order{.kind = Order::Kind::spawn, .pipeline = 7, .stage = 3};
  order.spec.argv = {"gpg", "-q", "", std::string("\0x", 2)};
  order.spec.redirects = {{.fd = 2, .mode = Redirect::Mode::write, .path = "/dev/null"}};
  order.env = {"A=b"};
  order.fd_roles = {0, 1, kGateRole};
  order.close_other_fds = true;
  order.grace = std::chrono::milliseconds(1500);
  order.kill_with = {"sudo", "-n", "kill"};
  return order;
}

TEST(Message, OrderComesBackAsItWasSent) {
  const Order order = an_order();
  const Order back = Order::decode(order.encode());
  EXPECT_EQ(back.kind, order.kind);
  EXPECT_EQ(back.pipeline, order.pipeline);
  EXPECT_EQ(back.stage, order.stage);
  EXPECT_EQ(back.spec, order.spec);
  EXPECT_EQ(back.env, order.env);
  EXPECT_EQ(back.fd_roles, order.fd_roles);
  EXPECT_EQ(back.close_other_fds, order.close_other_fds);
  EXPECT_EQ(back.grace, order.grace);
  EXPECT_EQ(back.kill_with, order.kill_with);
}

TEST(Message, ReportComesBackAsItWasSent) {
  const Report report{.kind = Report::Kind::exited,
                      .pipeline = 7,
                      .stage = 1,
                      .pid = 42,
                      .text = "x",
                      .how = 1,
                      .value = 2,
                      .bytes_read = 1UL << 40U};
  const Report back = Report::decode(report.encode());
  EXPECT_EQ(back.kind, report.kind);
  EXPECT_EQ(back.value, 2);
  EXPECT_EQ(back.bytes_read, report.bytes_read);
  EXPECT_EQ(back.text, "x");
}

TEST(Message, RefusesWhatIsCut) {
  const std::string whole = an_order().encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(Order::decode(std::string_view(whole).substr(0, size)), Error) << size;
  }
}

}  // namespace
}  // namespace penstock::pipeline
