// Files by descriptor: open, read, write, sync. All descriptors are close-on-exec from birth and at
// 10 or above.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "sys/unique_fd.h"

namespace penstock::sys {

// Our own descriptors start here, so that a job's "3>" cannot meet them.
inline constexpr int kLowestFd = 10;

// `fd` itself, or a close-on-exec duplicate at kLowestFd or above in its place.
UniqueFd moved_high(UniqueFd fd);
// Whether `fd` came from our caller and goes on to our children: ours are all close-on-exec.
bool is_inherited(int fd);
// Closes every descriptor above 2, for a program that has opened none of its own yet.
void close_inherited();
// Opens /dev/null in place of what our caller closed of 0, 1 and 2, so that no file that a child
// opens can become its stdout.
void fill_closed_standard_fds();
// Throws if our caller had closed standard output: what is to be printed there would be lost (D45).
void check_stdout();
// The same for standard input, which would look empty.
void check_stdin();
// A second descriptor of the same open file description, close-on-exec, at kLowestFd or above.
UniqueFd duplicate(int fd);

// open(2) with O_CLOEXEC added; throws "open PATH: reason".
UniqueFd open_file(const std::string& path, int flags, mode_t mode = 0666);
// The same, with nothing for a failure; errno tells why.
std::optional<UniqueFd> try_open(const std::string& path, int flags, mode_t mode = 0666);
// Whether `error` says that we, or the machine, have too little of something, and nothing about
// what was to be opened.
bool is_shortage(int error);
// The same to be read to its end: a FIFO that nobody writes to is empty, and keeps nobody waiting.
UniqueFd open_input(const std::string& path);
UniqueFd open_at(int directory, const std::string& name, int flags, mode_t mode = 0666);
// A descriptor with a description of its own for what `fd` is open on (through /proc/self/fd).
UniqueFd reopen(int fd, int flags);
// Anonymous memory with a name for /proc readers.
UniqueFd make_memfd(const std::string& name);
UniqueFd open_dev_null(int flags);

// Throws if close(2) reports an error (a delayed write error, for instance on NFS).
void close(UniqueFd fd, std::string_view name);

// From where it stands to its end, a pipe as well; throws if that is more than `limit` bytes.
std::string read_to_end(int fd, size_t limit, std::string_view name);

// Reads up to `into.size()` bytes, retried on EINTR; 0 is end of file. `name` is for the error.
size_t read_some(int fd, std::span<uint8_t> into, std::string_view name);
// Reads until `into` is full or the end; returns how many bytes came.
size_t read_full(int fd, std::span<uint8_t> into, std::string_view name);
// The same at an offset, without the descriptor's position.
size_t pread_some(int fd, std::span<uint8_t> into, off_t offset, std::string_view name);
size_t pread_full(int fd, std::span<uint8_t> into, off_t offset, std::string_view name);
// The whole file from its start, at most `limit` bytes.
std::string read_small_file(int fd, size_t limit, std::string_view name);
// Writes everything, through short writes and EINTR. The descriptor must be blocking.
void write_all(int fd, std::span<const uint8_t> bytes, std::string_view name);
void write_all(int fd, std::string_view text, std::string_view name);
void pwrite_all(int fd, std::string_view text, off_t offset, std::string_view name);

// Clears O_NONBLOCK, for a description of our own that was opened with it.
void set_blocking(int fd);
void seek(int fd, off_t offset, std::string_view name);
void sync_file(int fd, std::string_view name);  // fsync
void sync_data(int fd, std::string_view name);  // fdatasync
void truncate(int fd, off_t size, std::string_view name);
struct stat status_of(int fd, std::string_view name);
// When the file came into being; nothing where that cannot be told.
std::optional<Timestamp> birth_time_of(int fd);
// Nothing where there is no such name (ENOENT, ENOTDIR).
std::optional<struct stat> status_of_path(const std::string& path);

// Whether the path leads to a FIFO; not if that cannot be told.
bool is_fifo(const std::string& path);

std::span<const uint8_t> as_bytes(std::string_view text);

}  // namespace penstock::sys
