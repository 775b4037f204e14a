#include "sys/message_socket.h"

#include <sys/socket.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "sys/files.h"

namespace penstock::sys {

namespace {

// First byte of every packet: whether the text follows or lies in the last descriptor.
constexpr char kInline = 'i';
constexpr char kInMemfd = 'm';
constexpr size_t kLimit = 64UL << 20U;
// A want of memory that both processes have at the same moment would end both: 5 s to pass.
constexpr int kMaxShortages = 500;
constexpr auto kShortage = std::chrono::milliseconds(10);

}  // namespace

std::pair<MessageSocket, MessageSocket> MessageSocket::make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw Error::from_errno("make a socket pair");
  }
  UniqueFd first(ends[0]);
  UniqueFd second(ends[1]);
  return {MessageSocket(moved_high(std::move(first))),
          MessageSocket(moved_high(std::move(second)))};
}

void MessageSocket::send(std::string_view text, const std::vector<int>& fds) {
  std::vector<int> all = fds;
  UniqueFd large;
  char kind = kInline;
  if (text.size() > kMaxText) {
    large = make_memfd("penstock-order");
    write_all(large.get(), text, "order");
    all.push_back(large.get());
    text = {};
    kind = kInMemfd;
  }
  assert(all.size() <= kMaxFds);

  std::array<iovec, 2> parts{
      {{.iov_base = &kind, .iov_len = 1},
       {.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  if (!all.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * all.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * all.size());
    std::memcpy(CMSG_DATA(rights), all.data(), sizeof(int) * all.size());
  }
  for (int shortages = 0; ::sendmsg(fd_.get(), &header, MSG_NOSIGNAL) < 0;) {
    if (errno == EINTR) continue;
    const bool may_pass = errno == ENOBUFS || errno == ENOMEM;
    if (!may_pass || waited_in_vain_ || ++shortages > kMaxShortages) {
      waited_in_vain_ = may_pass;
      throw Error::from_errno("send to the other process of this run");
    }
    std::this_thread::sleep_for(kShortage);
  }
  waited_in_vain_ = false;
}

std::optional<MessageSocket::Message> MessageSocket::receive() {
  Message message;
  if (buffer_.empty()) buffer_.resize(kMaxText);
  char kind = 0;
  std::array<iovec, 2> parts{
      {{.iov_base = &kind, .iov_len = 1}, {.iov_base = buffer_.data(), .iov_len = buffer_.size()}}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxFds)> control{};
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t count = 0;
  while ((count = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == ECONNRESET) return std::nullopt;
    if (errno != EINTR) throw Error::from_errno("receive from the other process of this run");
  }
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fds; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      message.fds.push_back(moved_high(UniqueFd(fd)));
    }
  }
  if (count == 0) return std::nullopt;
  if ((static_cast<unsigned>(header.msg_flags) & (MSG_TRUNC | MSG_CTRUNC)) != 0U) {
    throw Error("a message between the processes of this run was cut");
  }
  message.text.assign(buffer_.data(), static_cast<size_t>(count) - 1);
  if (kind == kInMemfd) {
    assert(!message.fds.empty());
    const UniqueFd large = std::move(message.fds.back());
    message.fds.pop_back();
    const auto size = static_cast<size_t>(status_of(large.get(), "order").st_size);
    if (size > kLimit) throw Error("a message between the processes of this run is too large");
    message.text = read_small_file(large.get(), size, "order");
  }
  return message;
}

}  // namespace penstock::sys
