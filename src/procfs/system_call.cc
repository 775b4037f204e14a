#include "procfs/system_call.h"

#include <algorithm>
#include <array>
#include <span>

#include "procfs/fields.h"

namespace penstock::procfs {

namespace {

struct Numbered {
  int number;
  Call call;
};

// From asm/unistd_64.h, in the order of the numbers; each line begins with the first one's name.
constexpr auto kX86 = std::to_array<Numbered>({
    {0, Call::read},      {1, Call::write},    {2, Call::open},
    {7, Call::poll},  // read
    {16, Call::ioctl},    {17, Call::read},    {18, Call::write},
    {19, Call::read},  // ioctl
    {20, Call::write},    {23, Call::poll},    {34, Call::sleep},
    {35, Call::sleep},  // writev
    {40, Call::splice},   {42, Call::accept},  {43, Call::accept},
    {44, Call::send},  // sendfile
    {45, Call::receive},  {46, Call::send},    {47, Call::receive},
    {61, Call::wait},  // recvfrom
    {72, Call::lock},     {73, Call::lock},    {85, Call::open},
    {128, Call::sleep},  // fcntl
    {130, Call::sleep},   {202, Call::futex},  {230, Call::sleep},
    {232, Call::epoll},  // sigsuspend
    {247, Call::wait},    {257, Call::open},   {270, Call::poll},
    {271, Call::poll},  // waitid
    {275, Call::splice},  {276, Call::splice}, {278, Call::splice},
    {281, Call::epoll},  // splice
    {288, Call::accept},  {295, Call::read},   {296, Call::write},
    {299, Call::receive},  // accept4
    {307, Call::send},    {327, Call::read},   {328, Call::write},
    {437, Call::open},                                              // sendmmsg
    {441, Call::epoll},   {449, Call::futex},  {455, Call::futex},  // epoll_pwait2
});

// From asm-generic/unistd.h.
constexpr auto kGeneric = std::to_array<Numbered>({
    {22, Call::epoll},    {25, Call::lock},
    {29, Call::ioctl},    {32, Call::lock},  // epoll_pwait
    {56, Call::open},     {63, Call::read},
    {64, Call::write},    {65, Call::read},  // openat
    {66, Call::write},    {67, Call::read},
    {68, Call::write},    {69, Call::read},  // writev
    {70, Call::write},    {71, Call::splice},
    {72, Call::poll},     {73, Call::poll},  // pwritev
    {75, Call::splice},   {76, Call::splice},
    {77, Call::splice},   {95, Call::wait},  // vmsplice
    {98, Call::futex},    {101, Call::sleep},
    {115, Call::sleep},   {133, Call::sleep},  // futex
    {137, Call::sleep},   {202, Call::accept},
    {203, Call::accept},  {206, Call::send},  // sigtimedwait
    {207, Call::receive}, {211, Call::send},
    {212, Call::receive}, {242, Call::accept},  // recvfrom
    {243, Call::receive}, {260, Call::wait},
    {269, Call::send},    {286, Call::read},  // recvmmsg
    {287, Call::write},   {437, Call::open},
    {441, Call::epoll},   {449, Call::futex},  // pwritev2
    {455, Call::futex},                        // futex_wait
});

std::span<const Numbered> numbers(CallTable table) {
  switch (table) {
    case CallTable::x86_64:
      return kX86;
    case CallTable::generic:
      return kGeneric;
    case CallTable::unknown:
      break;
  }
  return {};
}

Call meaning(long number, CallTable table) {
  const auto rows = numbers(table);
  const auto row = std::ranges::lower_bound(rows, number, {}, &Numbered::number);
  return row != rows.end() && row->number == number ? row->call : Call::other;
}

std::optional<uint64_t> take_address(std::string_view& rest) {
  std::string_view word = take_word(rest);
  if (!word.starts_with("0x")) return std::nullopt;
  return to_number<uint64_t>(word.substr(2), 16);
}

constexpr auto kCallNames = std::to_array<std::string_view>(
    {"read", "write", "splice", "poll", "epoll", "wait", "futex", "open", "ioctl", "lock",
     "receive", "send", "accept", "sleep", "other"});

}  // namespace

std::string_view name_of(Call call) {
  return kCallNames.at(static_cast<size_t>(call));
}

std::optional<Call> call_named(std::string_view name) {
  const auto found = std::ranges::find(kCallNames, name);
  if (found == kCallNames.end()) return std::nullopt;
  return static_cast<Call>(found - kCallNames.begin());
}

CallTable call_table_of(std::string_view architecture) {
  if (architecture == "x86_64") return CallTable::x86_64;
  if (architecture == "aarch64" || architecture == "riscv64" || architecture == "loongarch64") {
    return CallTable::generic;
  }
  return CallTable::unknown;
}

std::optional<SyscallState> parse_syscall(std::string_view text, CallTable table) {
  const std::string_view first = take_word(text);
  SyscallState state;
  if (first == "running") {
    state.running = true;
    return state;
  }
  const auto number = to_number<long>(first);
  if (!number || *number < -1) return std::nullopt;
  state.number = *number;
  if (*number == -1) return state;
  for (uint64_t& argument : state.arguments) {
    const auto value = take_address(text);
    if (!value) return std::nullopt;
    argument = *value;
  }
  // A 32-bit program has other numbers. Its stack gives it away: below 4 GiB, where a 64-bit one
  // has it only if it asked for that.
  const auto stack = take_address(text);
  if (stack && *stack < (uint64_t{1} << 32U)) return state;
  constexpr long kX32 = 0x40000000;
  const bool x32 = table == CallTable::x86_64 && (*number & kX32) != 0;
  state.call = meaning(x32 ? *number - kX32 : *number, table);
  return state;
}

std::optional<size_t> path_argument(const SyscallState& state, CallTable table) {
  if (state.call != Call::open) return std::nullopt;
  const bool relative_to_nothing =
      table == CallTable::x86_64 && (state.number == 2 || state.number == 85);  // open, creat
  return relative_to_nothing ? 0 : 1;
}

bool changes_memory(const SyscallState& state, CallTable table) {
  // mmap, mprotect, munmap, brk, mremap; execve makes a new one.
  constexpr std::array<long, 6> kX86Calls = {9, 10, 11, 12, 25, 59};
  constexpr std::array<long, 6> kGenericCalls = {214, 215, 216, 221, 222, 226};
  if (table == CallTable::x86_64) return std::ranges::count(kX86Calls, state.number) != 0;
  return table == CallTable::generic && std::ranges::count(kGenericCalls, state.number) != 0;
}

}  // namespace penstock::procfs
