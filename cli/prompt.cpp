#include "cli/prompt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include "base/files.h"
#include "cli/output.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using base::SecretBytes;

namespace {

constexpr std::size_t kLongest = 1024;
constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};

volatile std::sig_atomic_t caught = 0;
void remember(int signal) { caught = signal; }

const Error kTooLong{Fault::denied, "a passphrase has at most 1024 bytes"};

// While it lives the terminal shows nothing that is typed, and signals are only remembered. They come in while
// wait_for_input() waits and at no other time: one that came just before the wait would be remembered, and waited over.
class SilentTerminal {
 public:
  explicit SilentTerminal(int fd) : fd_(fd) {
    caught = 0;
    struct sigaction action {};
    action.sa_handler = remember;
    sigemptyset(&action.sa_mask);
    sigset_t held;
    sigemptyset(&held);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], &action, &before_[i]);
      sigaddset(&held, kSignals[i]);
    }
    sigprocmask(SIG_BLOCK, &held, &mask_);
    waiting_ = mask_;
    for (const int signal : kSignals) sigdelset(&waiting_, signal);
    silenced_ = ::tcgetattr(fd_, &settings_) == 0;
    if (!silenced_) return;
    termios silent = settings_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    silenced_ = ::tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~SilentTerminal() {
    if (silenced_) ::tcsetattr(fd_, TCSAFLUSH, &settings_);
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;
  bool silenced() const { return silenced_; }

  // False when a signal came.
  bool wait_for_input() const {
    pollfd input{fd_, POLLIN, 0};
    while (caught == 0)
      if (::ppoll(&input, 1, nullptr, &waiting_) > 0) return true;
    return false;
  }

 private:
  int fd_;
  sigset_t mask_{};
  sigset_t waiting_{};
  termios settings_{};
  bool silenced_ = false;
  std::array<struct sigaction, kSignals.size()> before_{};
};

void write_line(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// One line, or nullopt when a signal came.
Result<std::optional<SecretBytes>> read_line(int fd, const SilentTerminal& silent) {
  auto line = SecretBytes::zeros(kLongest + 1);
  if (!line) return line.error();
  for (std::size_t size = 0; size <= kLongest; ++size) {
    const auto next = line->reveal_to_write().subspan(size, 1);
    if (!silent.wait_for_input()) return std::optional<SecretBytes>();
    const ssize_t n = ::read(fd, next.data(), 1);
    if (n < 0) return Error{Fault::denied, "cannot read the passphrase from the terminal"};
    if (n == 0 || next[0] == std::byte{'\n'}) {
      line->shrink(size);
      return std::optional(std::move(*line));
    }
  }
  return kTooLong;
}

}  // namespace

bool terminal_there() { return static_cast<bool>(base::Fd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY))); }

Result<SecretBytes> ask_passphrase(std::string_view question) {
  const base::Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) return Error{Fault::denied, "a passphrase is needed, and there is no terminal to ask on"};
  for (;;) {
    auto line = Result<std::optional<SecretBytes>>(std::optional<SecretBytes>());
    {
      const SilentTerminal silent(terminal.get());
      if (!silent.silenced()) return Error{Fault::denied, "cannot turn the terminal's echo off"};
      write_line(terminal.get(), std::string(question) + ": ");
      line = read_line(terminal.get(), silent);
      write_line(terminal.get(), "\n");
    }
    if (!line) return line.error();
    if (*line) return std::move(**line);
    ::raise(caught);  // ends the program, or stops it: then the question comes again
  }
}

Result<SecretBytes> ask_new_passphrase(std::string_view question) {
  for (;;) {
    auto first = ask_passphrase(question);
    if (!first) return first;
    auto second = ask_passphrase("Once more");
    if (!second) return second;
    if (*first == *second) return first;
    say_warning("the two are not the same; try again");
  }
}

Result<SecretBytes> read_passphrase_file(const base::Path& file) {
  auto fd = base::open_to_read(file);
  if (!fd) return fd.error().at("passphrase file");
  struct stat facts {};
  if (::fstat(fd->get(), &facts) == 0 && (facts.st_mode & (S_IRGRP | S_IROTH)) != 0)
    say_warning("others can read the passphrase file; chmod 600 it");
  auto text = SecretBytes::zeros(kLongest + 2);
  if (!text) return text;
  auto size = base::read_at(fd->get(), 0, text->reveal_to_write());
  if (!size) return size.error().at("passphrase file");
  const auto bytes = text->reveal().first(*size);
  auto length = static_cast<std::size_t>(std::find(bytes.begin(), bytes.end(), std::byte{'\n'}) - bytes.begin());
  if (length > 0 && length < bytes.size() && bytes[length - 1] == std::byte{'\r'}) --length;
  if (length > kLongest) return kTooLong;
  if (length == 0) return Error{Fault::denied, "the passphrase file begins with an empty line"};
  text->shrink(length);
  return text;
}

}  // namespace cli
