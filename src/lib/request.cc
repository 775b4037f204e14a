#include "lib/request.h"

#include <chrono>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "base/text.h"

namespace penstock::lib {

namespace {

[[noreturn]] void refuse() {
  throw penstock::Error("a message between helper and caller is malformed");
}

// Every field as its length in decimal, ':' and its bytes.
class Writer {
 public:
  void operator()(const std::string& text) { out_ += cat(text.size(), ":", text); }
  void operator()(bool value) { (*this)(std::string(value ? "1" : "0")); }
  template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) void operator()(T value) {
    (*this)(std::to_string(value));
  }
  template <typename T>
  requires std::is_enum_v<T>
  void operator()(T value) { (*this)(static_cast<int>(value)); }
  void operator()(std::chrono::milliseconds time) { (*this)(time.count()); }
  template <typename T>
  void operator()(const std::optional<T>& value) {
    (*this)(value.has_value());
    if (value) (*this)(*value);
  }
  template <typename T>
  void operator()(const std::vector<T>& items) {
    (*this)(items.size());
    for (const T& item : items) (*this)(item);
  }
  void operator()(const api::StageResult& stage);

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  void operator()(std::string& text) {
    const size_t colon = rest_.find(':');
    if (colon == std::string_view::npos) refuse();
    const auto size = parse_u64(rest_.substr(0, colon));
    rest_.remove_prefix(colon + 1);
    if (!size || *size > rest_.size()) refuse();
    text = rest_.substr(0, *size);
    rest_.remove_prefix(*size);
  }
  void operator()(bool& value) { value = number(1) != 0; }
  template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) void operator()(T& value) {
    value = static_cast<T>(number(static_cast<uint64_t>(std::numeric_limits<T>::max())));
  }
  // An enumeration's last value is not known here, and whoever gets one that is none asserts.
  template <typename T>
  requires std::is_enum_v<T>
  void operator()(T& value) { value = static_cast<T>(number(std::numeric_limits<int>::max())); }
  void operator()(std::chrono::milliseconds& time) {
    constexpr auto kMost = std::chrono::milliseconds::max().count();
    time = std::chrono::milliseconds(number(static_cast<uint64_t>(kMost)));
  }
  template <typename T>
  void operator()(std::optional<T>& value) {
    bool has_value = false;
    (*this)(has_value);
    value.reset();
    if (has_value) (*this)(value.emplace());
  }
  template <typename T>
  void operator()(std::vector<T>& items) {
    items.resize(number(rest_.size()));  // each item takes a byte at least
    for (T& item : items) (*this)(item);
  }
  void operator()(api::StageResult& stage);

  void end() const {
    if (!rest_.empty()) refuse();
  }

 private:
  uint64_t number(uint64_t most) {
    std::string text;
    (*this)(text);
    const auto value = parse_u64(text);
    if (!value || *value > most) refuse();
    return *value;
  }
  std::string_view rest_;
};

// One list of fields for both directions.
template <typename Each, typename T>
void request_fields(Each& each, T& request) {
  each(request.stages);
  auto& options = request.options;
  each(options.gate);
  each(options.verify_before);
  each(options.spool_dir);
  each(options.pipe_size);
  each(options.also_ok);
  each(options.timeout);
  each(options.kill_grace);
  each(options.stall_after);
  each(options.on_stall);
  each(options.kill_after);
}

template <typename Each, typename T>
void stage_fields(Each& each, T& stage) {
  each(stage.command);
  each(stage.pid);
  each(stage.exit_code);
  each(stage.signal);
  each(stage.start_error);
  each(stage.is_counted);
  each(stage.bytes_read);
  each(stage.bytes_written);
  each(stage.took);
}

template <typename Each, typename T>
void answer_fields(Each& each, T& answer) {
  each(answer.error);
  each(answer.error_number);
  auto& result = answer.result;
  each(result.ok);
  each(result.ending);
  each(result.sentence);
  each(result.may_have_been_applied);
  each(result.stuck);
  each(result.stalls);
  each(result.stages);
}

void Writer::operator()(const api::StageResult& stage) {
  stage_fields(*this, stage);
}
void Reader::operator()(api::StageResult& stage) {
  stage_fields(*this, stage);
}

}  // namespace

std::string_view version() {
  return PENSTOCK_VERSION;
}

std::string Request::encode() const {
  Writer out;
  request_fields(out, *this);
  return out.take();
}

Request Request::decode(std::string_view text) {
  Reader in(text);
  Request request;
  request_fields(in, request);
  in.end();
  return request;
}

std::string Answer::encode() const {
  Writer out;
  answer_fields(out, *this);
  return out.take();
}

Answer Answer::decode(std::string_view text) {
  Reader in(text);
  Answer answer;
  answer_fields(in, answer);
  in.end();
  return answer;
}

}  // namespace penstock::lib
