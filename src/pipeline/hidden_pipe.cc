#include "pipeline/hidden_pipe.h"

#include <optional>
#include <span>
#include <utility>

#include "base/text.h"
#include "pipeline/shell_names.h"

namespace penstock::pipeline {

namespace {

constexpr int kMaxDepth = 8;

struct Glance {
  bool pipe = false;
  std::vector<std::string> words;  // quotes removed, all commands in a row
};

// Whether the '|' at `at` is one of a pipe, quotes aside.
bool is_pipe(std::string_view text, size_t at, std::string_view shell) {
  if (at + 1 < text.size() && text[at + 1] == '|') return false;
  if (at > 0 && text[at - 1] == '|') return false;
  // ">|" overwrites, except in fish and others we do not know, where it may well be a pipe.
  const bool known = speaks_common_syntax(shell) || has_pipefail(shell);
  return !(known && at > 0 && text[at - 1] == '>');
}

// One pass over any shell's text, as if it were the common shells'. Notices where that is not good
// enough.
class Glancer {
 public:
  Glancer(std::string_view text, std::string_view shell) : text_(text), shell_(shell) {}

  Glance look() {
    while (position_ < text_.size()) step();
    end_word();
    if (!certain_) {
      for (size_t i = 0; i < text_.size() && !glance_.pipe; ++i) {
        glance_.pipe = text_[i] == '|' && is_pipe(text_, i, shell_);
      }
    }
    return std::move(glance_);
  }

 private:
  void step() {
    const char c = text_[position_];
    if (c == '\'' || c == '"') {
      quoted(c);
      return;
    }
    if (c == '\\') {
      if (position_ + 1 < text_.size()) add(text_[position_ + 1]);
      position_ += 2;
      return;
    }
    // A comment or a here-document may hold a lone quote.
    const bool doubled = position_ + 1 < text_.size() && text_[position_ + 1] == c;
    if (c == '#' || (c == '<' && doubled) || begins_nesting()) certain_ = false;
    if (c == '|' && is_pipe(text_, position_, shell_)) glance_.pipe = true;
    if (std::string_view(" \t\n;&|()<>").find(c) != std::string_view::npos) {
      end_word();
    } else {
      add(c);
    }
    ++position_;
  }

  // A substitution, with quotes of its own inside of quotes, or one of bash's $'…' and $"…".
  bool begins_nesting() const {
    if (text_[position_] == '`') return true;
    return text_[position_] == '$' && position_ + 1 < text_.size() &&
           std::string_view("('\"").find(text_[position_ + 1]) != std::string_view::npos;
  }

  void quoted(char quote) {
    in_word_ = true;
    for (++position_; position_ < text_.size() && text_[position_] != quote; ++position_) {
      char c = text_[position_];
      if (quote == '"' && begins_nesting()) certain_ = false;
      // fish and csh let a backslash escape a quote here.
      if (quote == '\'' && c == '\\') certain_ = false;
      if (quote == '"' && c == '\\' && position_ + 1 < text_.size()) c = text_[++position_];
      word_ += c;
    }
    if (position_ >= text_.size()) certain_ = false;
    ++position_;
  }

  void add(char c) {
    word_ += c;
    in_word_ = true;
  }

  void end_word() {
    if (in_word_) glance_.words.push_back(word_);
    word_.clear();
    in_word_ = false;
  }

  std::string_view text_;
  std::string_view shell_;
  size_t position_ = 0;
  std::string word_;
  bool in_word_ = false;
  bool certain_ = true;
  Glance glance_;
};

// What a shell is asked to run.
struct ShellCall {
  std::string_view shell;
  std::string_view text;
  Pipefail pipefail = Pipefail::off;
};

// `words` as a shell's command line, the shell first: options, then the string if one of them was
// -c.
std::optional<ShellCall> read_call(std::span<const std::string> words) {
  ShellCall call{.shell = base_name(words.front())};
  if (!is_shell(call.shell)) return std::nullopt;
  bool runs_string = false;
  size_t i = 1;
  for (; i < words.size() && words[i].size() > 1; ++i) {
    const std::string& word = words[i];
    if (word.front() != '-' && word.front() != '+') break;
    if (word == "--") {
      ++i;
      break;
    }
    if (word.starts_with("--")) {
      if (word == "--rcfile" || word == "--init-file") ++i;
      continue;
    }
    const bool sets = word.front() == '-';
    for (char option : std::string_view(word).substr(1)) {
      if (option == 'c') runs_string = true;
      if (option != 'o' && option != 'O') continue;
      ++i;
      if (i < words.size() && words[i] == "pipefail") {
        call.pipefail = sets ? Pipefail::on : Pipefail::off;
      }
    }
  }
  if (!runs_string || i >= words.size()) return std::nullopt;
  call.text = words[i];
  return call;
}

// "set -o pipefail; …", "set -euo pipefail && …": a shell that does not know it gives up there.
// "||" would not.
bool begins_with_pipefail(std::string_view text) {
  text = trim(text);
  if (!text.starts_with("set -")) return false;
  const size_t letters = 5;
  const size_t blank = text.find(' ', letters);
  if (blank == std::string_view::npos || blank == letters || text[blank - 1] != 'o') return false;
  const std::string_view options = text.substr(letters, blank - letters - 1);
  if (options.find_first_not_of("aefux") != std::string_view::npos) return false;
  std::string_view rest = text.substr(blank + 1);
  if (!rest.starts_with("pipefail")) return false;
  rest.remove_prefix(std::string_view("pipefail").size());
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  return rest.starts_with(';') || rest.starts_with('\n') || rest.starts_with("&&");
}

bool hides_pipe(const std::vector<std::string>& argv, int depth);

bool hides_pipe(std::string_view text, std::string_view shell, Pipefail pipefail, int depth) {
  if (depth > kMaxDepth) return true;
  const Glance glance = Glancer(text, shell).look();
  if (glance.pipe && pipefail == Pipefail::off && !begins_with_pipefail(text)) return true;
  return hides_pipe(glance.words, depth + 1);
}

bool hides_pipe(const std::vector<std::string>& argv, int depth) {
  for (size_t i = 0; i < argv.size(); ++i) {
    const auto call = read_call(std::span(argv).subspan(i));
    if (call && hides_pipe(call->text, call->shell, call->pipefail, depth)) return true;
  }
  return false;
}

}  // namespace

bool has_pipe(std::string_view text, std::string_view shell) {
  return Glancer(text, shell).look().pipe;
}

bool hides_pipe(std::string_view text, std::string_view shell, Pipefail pipefail) {
  return hides_pipe(text, shell, pipefail, 0);
}

bool hides_pipe(const std::vector<std::string>& argv) {
  return hides_pipe(argv, 0);
}

bool calls_shell(const std::vector<std::string>& argv) {
  for (size_t i = 0; i < argv.size(); ++i) {
    if (read_call(std::span(argv).subspan(i))) return true;
  }
  return false;
}

}  // namespace penstock::pipeline
