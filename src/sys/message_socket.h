// Messages with descriptors between two processes of ours, whole or not at all (SOCK_SEQPACKET).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/unique_fd.h"

namespace penstock::sys {

class MessageSocket {
 public:
  explicit MessageSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  // Two connected ends, close-on-exec.
  static std::pair<MessageSocket, MessageSocket> make_pair();

  struct Message {
    std::string text;
    std::vector<UniqueFd> fds;
  };
  static constexpr size_t kMaxText = 64UL << 10U;
  static constexpr size_t kMaxFds = 8;

  // Throws if the other side is gone, or if for 5 s there is no memory for it. A text over kMaxText
  // travels in a memfd, unseen by the receiver.
  void send(std::string_view text, const std::vector<int>& fds = {});
  // Waits for the next one; nothing at the end (the other side is gone).
  std::optional<Message> receive();

  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  bool waited_in_vain_ = false;  // for memory; the next message does not wait as well
  std::vector<char>
      buffer_;  // of receive(), made once: clearing 64 KiB a message would cost more than the rest
};

}  // namespace penstock::sys
