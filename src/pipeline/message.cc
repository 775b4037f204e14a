#include "pipeline/message.h"

#include <cstring>
#include <type_traits>

#include "base/error.h"

namespace penstock::pipeline {

namespace {

class Encoder {
 public:
  template <typename T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void add(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void add(std::string_view text) {
    add(text.size());
    text_ += text;
  }
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(const Redirect& redirect) {
    add(redirect.fd);
    add(redirect.mode);
    add(redirect.path);
    add(redirect.from_fd);
  }
  template <typename T>
  void add(const std::vector<T>& items) {
    add(items.size());
    for (const T& item : items) add(item);
  }
  void reserve(size_t size) { text_.reserve(size); }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view text) : rest_(text) {}
  template <typename T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) void get(T& value) {
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): take() gives exactly that many
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
  }
  void get(std::string& text) {
    size_t size = 0;
    get(size);
    text = take(size);
  }
  void get(Redirect& redirect) {
    get(redirect.fd);
    get(redirect.mode);
    get(redirect.path);
    get(redirect.from_fd);
  }
  template <typename T>
  void get(std::vector<T>& items) {
    size_t count = 0;
    get(count);
    if (count > rest_.size()) throw Error("a message between the processes of this run is cut");
    items.resize(count);
    for (T& item : items) get(item);
  }

 private:
  std::string_view take(size_t size) {
    if (size > rest_.size()) throw Error("a message between the processes of this run is cut");
    const std::string_view part = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return part;
  }
  std::string_view rest_;
};

// One list of fields for both directions.
template <typename Codec, typename Message>
void order_fields(Codec&& each, Message& m) {
  each(m.kind);
  each(m.pipeline);
  each(m.stage);
  each(m.spec.argv);
  each(m.spec.redirects);
  each(m.spec.opaque);
  each(m.spec.sandboxed);
  each(m.spec.may_write);
  each(m.env);
  each(m.fd_roles);
  each(m.close_other_fds);
  each(m.count_io);
  each(m.report_start);
  each(m.gate_holds);
  each(m.mode);
  each(m.kill_with);
  each(m.cgroup);
}

template <typename Codec, typename Message>
void report_fields(Codec&& each, Message& m) {
  each(m.kind);
  each(m.pipeline);
  each(m.stage);
  each(m.pid);
  each(m.start_time);
  each(m.error);
  each(m.text);
  each(m.how);
  each(m.value);
  each(m.is_counted);
  each(m.bytes_read);
  each(m.bytes_written);
}

}  // namespace

std::string Order::encode() const {
  Encoder out;
  if (!env.empty()) out.reserve(8192);
  order_fields([&](const auto& field) { out.add(field); }, *this);
  out.add(grace.count());
  return out.take();
}

Order Order::decode(std::string_view text) {
  Decoder in(text);
  Order order;
  order_fields([&](auto& field) { in.get(field); }, order);
  std::chrono::milliseconds::rep grace = 0;
  in.get(grace);
  order.grace = std::chrono::milliseconds(grace);
  return order;
}

std::string Report::encode() const {
  Encoder out;
  report_fields([&](const auto& field) { out.add(field); }, *this);
  return out.take();
}

Report Report::decode(std::string_view text) {
  Decoder in(text);
  Report report;
  report_fields([&](auto& field) { in.get(field); }, report);
  return report;
}

}  // namespace penstock::pipeline
