#include "pipeline/shell_words.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"

namespace penstock::pipeline {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_ascii_graphic(char c) {
  return c > ' ' && c < '\x7f';
}

// Without quotes these stand for themselves in all four shells, wherever they are ('~' has a rule
// of its own).
bool is_plain(char c) {
  return is_letter_or_digit(c) || std::string_view("_-./,:=+@%").find(c) != std::string_view::npos;
}

bool ends_word(char c) {
  return is_blank(c) || c == '|' || c == '<' || c == '>';
}

// Why a character without quotes is not ours to interpret.
std::string unquoted_refusal(char c) {
  switch (c) {
    case '$':
    case '`':
      return cat("it has a variable or a substitution (", c, ")");
    case '*':
    case '?':
    case '[':
    case ']':
      return cat("it has a file name pattern (", c, ")");
    case '~':
      return "it has a home directory (~)";
    case '{':
    case '}':
    case '(':
    case ')':
      return cat("it has braces or parentheses (", c, ")");
    case '&':
    case ';':
    case '\n':
      return "it has more than one command";
    case '#':
      return "it has a comment (#)";
    default:
      break;
  }
  if (is_ascii_graphic(c)) return cat("shells differ on the character ", c);
  if (static_cast<unsigned char>(c) >= 0x80)
    return "it has a non-ASCII character outside of quotes";
  return "it has a control character";
}

// Names that ksh or bash open in ways of their own: a connection, or a copy of a descriptor.
bool is_special_target(std::string_view path) {
  static constexpr std::array<std::string_view, 5> kPrefixes = {"/dev/tcp", "/dev/udp", "/dev/sctp",
                                                                "/dev/fd", "/dev/std"};
  return std::ranges::any_of(kPrefixes,
                             [&](std::string_view prefix) { return path.starts_with(prefix); });
}

// Reads a line from left to right; the first thing it does not know for certain ends it.
class PipelineReader {
 public:
  explicit PipelineReader(std::string_view line) : line_(line) {}

  ShellPipeline read() {
    while (position_ < line_.size() && refusal_.empty()) {
      const char c = line_[position_];
      if (is_blank(c)) {
        ++position_;
      } else if (c == '|') {
        read_pipe();
      } else if (c == '<' || c == '>') {
        read_redirect(c == '<' ? 0 : 1);
      } else {
        read_argument();
      }
    }
    if (refusal_.empty()) end_stage();
    if (!refusal_.empty()) return {.refusal = std::move(refusal_)};
    return {.stages = std::move(stages_)};
  }

 private:
  struct Word {
    std::string text;
    bool has_quotes = false;

    bool is_number() const { return !text.empty() && std::ranges::all_of(text, is_digit); }
  };

  // The character `ahead` places further on; NUL, which no line holds, behind the end.
  char peek(size_t ahead = 0) const {
    return position_ + ahead < line_.size() ? line_[position_ + ahead] : '\0';
  }
  bool before_redirect() const { return peek() == '<' || peek() == '>'; }

  void refuse(std::string reason) {
    if (refusal_.empty()) refusal_ = std::move(reason);
  }

  void read_pipe() {
    if (peek(1) == '|') return refuse("it has more than one command");
    if (peek(1) == '&') return refuse("it has |&");
    ++position_;
    end_stage();
  }

  void end_stage() {
    if (stage_.argv.empty()) return refuse(cat("stage ", stages_.size() + 1, " has no command"));
    stages_.push_back(std::exchange(stage_, {}));
  }

  void read_argument() {
    std::optional<Word> word = read_word();
    if (!word) return;
    if (!before_redirect() || !word->is_number()) return stage_.argv.push_back(word->text);
    // "12>file" is descriptor 12 in bash, and the word 12 in dash.
    if (word->has_quotes || word->text.size() > 1) {
      return refuse("it redirects a descriptor that is not one plain digit");
    }
    read_redirect(word->text.front() - '0');
  }

  // At '<' or '>'.
  void read_redirect(int fd) {
    Redirect redirect{.fd = fd};
    const bool reads = peek() == '<';
    if (reads) redirect.mode = Redirect::Mode::read;
    ++position_;
    if (!reads && peek() == '&') {
      ++position_;
      return read_duplicate(redirect);
    }
    if (!reads && peek() == '>') {
      redirect.mode = Redirect::Mode::append;
      ++position_;
    }
    // What now stands here decides over >|, <>, <<, <&, >( and the like: none of them begins a
    // word.
    while (is_blank(peek())) ++position_;
    if (position_ == line_.size() || ends_word(peek())) {
      return refuse("it has a redirection that is not simple");
    }
    std::optional<Word> target = read_word();
    if (!target) return;
    if (target->text.empty() || (target->is_number() && before_redirect()) ||
        is_special_target(target->text)) {
      return refuse("shells differ on the target of a redirection");
    }
    redirect.path = std::move(target->text);
    stage_.redirects.push_back(std::move(redirect));
  }

  // Behind ">&". The digit must end there: "2>&1>file" is a syntax error in dash only, "2>&1-"
  // moves in bash.
  void read_duplicate(Redirect redirect) {
    const char after = peek(1);
    if (!is_digit(peek()) || !(after == '\0' || is_blank(after) || after == '|')) {
      return refuse("it has a redirection that is not simple");
    }
    redirect.mode = Redirect::Mode::duplicate;
    redirect.from_fd = peek() - '0';
    ++position_;
    stage_.redirects.push_back(std::move(redirect));
  }

  // Nothing where the word was refused.
  std::optional<Word> read_word() {
    Word word;
    while (position_ < line_.size() && !ends_word(peek())) {
      const char c = peek();
      if (c == '\'' || c == '"') {
        word.has_quotes = true;
        if (!read_quoted(c, word.text)) return std::nullopt;
      } else if (c == '\\') {
        word.has_quotes = true;
        const char escaped = peek(1);
        if (escaped != ' ' && !is_ascii_graphic(escaped)) {
          refuse("shells differ on a backslash");
          return std::nullopt;
        }
        word.text += escaped;
        position_ += 2;
      } else if (is_plain(c) ||
                 (c == '~' && position_ > 0 && is_letter_or_digit(line_[position_ - 1]))) {
        word.text += c;
        ++position_;
      } else {
        refuse(unquoted_refusal(c));
        return std::nullopt;
      }
    }
    return word;
  }

  // Appends what stands between the quote here and its partner. Bytes of 0x80 and up are safe
  // between quotes in any character set: none has a quote as the second byte of a character.
  bool read_quoted(char quote, std::string& text) {
    const size_t end = line_.find(quote, position_ + 1);
    if (end == std::string_view::npos) {
      refuse("a quote is not closed");
      return false;
    }
    const std::string_view inside = line_.substr(position_ + 1, end - position_ - 1);
    for (char c : inside) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < ' ' || byte == 0x7f) {
        refuse("it has a control character");
      } else if (quote == '"' && (c == '$' || c == '`' || c == '\\' || c == '!')) {
        refuse(cat("shells may act on ", c, " between double quotes"));
      }
    }
    text += inside;
    position_ = end + 1;
    return refusal_.empty();
  }

  std::string_view line_;
  size_t position_ = 0;
  StageSpec stage_;
  std::vector<StageSpec> stages_;
  std::string refusal_;
};

}  // namespace

ShellPipeline read_pipeline(std::string_view line) {
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (line.find('\0') != std::string_view::npos) return {.refusal = "it has a control character"};
  if (line.find_first_not_of(" \t") == std::string_view::npos) return {.refusal = "it is empty"};
  return PipelineReader(line).read();
}

}  // namespace penstock::pipeline
