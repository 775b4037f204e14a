#include "sys/message_socket.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "sys/files.h"
#include "sys/pipe.h"

namespace penstock::sys {
namespace {

TEST(MessageSocket, BringsTextAndDescriptors) {
  auto [one, other] = MessageSocket::make_pair();
  Pipe pipe = Pipe::make();
  one.send("hello", {pipe.write.get()});
  auto message = other.receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text, "hello");
  ASSERT_EQ(message->fds.size(), 1U);
  EXPECT_GE(message->fds[0].get(), kLowestFd);
  EXPECT_EQ(inode_of(message->fds[0].get()), inode_of(pipe.read.get()));
}

TEST(MessageSocket, BringsLargeTextsToo) {
  auto [one, other] = MessageSocket::make_pair();
  for (const size_t size :
       {MessageSocket::kMaxText, MessageSocket::kMaxText + 1, size_t{3} << 20U}) {
    const std::string text(size, 'x');
    const Pipe pipe = Pipe::make();
    one.send(text, {pipe.write.get()});
    const auto message = other.receive();
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->text == text) << size;
    EXPECT_EQ(message->fds.size(), 1U);
  }
}

TEST(MessageSocket, TellsThatTheOtherSideIsGone) {
  auto [one, other] = MessageSocket::make_pair();
  { const MessageSocket gone = std::move(other); }
  EXPECT_FALSE(one.receive());
  EXPECT_THROW(one.send("x"), Error);
}

}  // namespace
}  // namespace penstock::sys
