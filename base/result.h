// Result: errors are values. `Fault` is what a caller acts on, `what` is text for people.
// The values of Fault are the exit codes of the command line: they never change.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace base {

enum class Fault : int {
  failed = 1,      // the operating system, a library or a peer said no
  usage = 2,       // the caller asked for something that makes no sense
  not_found = 3,   // no such thing, or nothing to do
  denied = 4,      // wrong passphrase, wrong role, wrong key
  expired = 5,     // it was right once
  damaged = 6,     // stored bytes are not what was written
  busy = 7,        // somebody else holds it; try again
  restricted = 8,  // a restriction forbids it
};

// `what` holds no secret and no personal data: it may reach a log. Lower case, no full stop.
struct [[nodiscard]] Error {
  Fault fault;
  std::string what;

  // The same error with the step in front in which it happened. Each layer adds its own once.
  Error at(std::string_view step) const { return {fault, std::string(step) + ": " + what}; }
};

// A value or an Error. Reading the value of a failed Result ends the process (std::get throws, nobody catches it).
// There is no Result<bool>: `if (r)` would ask the wrong question.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::move(value)) {}
  Result(Error error) : v_(std::move(error)) {}

  explicit operator bool() const { return v_.index() == 0; }
  T& operator*() & { return std::get<0>(v_); }
  const T& operator*() const& { return std::get<0>(v_); }
  T&& operator*() && { return std::get<0>(std::move(v_)); }
  T* operator->() { return &std::get<0>(v_); }
  const T* operator->() const { return &std::get<0>(v_); }
  const Error& error() const { return std::get<1>(v_); }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : v_(std::move(error)) {}

  explicit operator bool() const { return v_.index() == 0; }
  const Error& error() const { return std::get<1>(v_); }

 private:
  std::variant<std::monostate, Error> v_;
};

template <>
class Result<bool>;  // never defined

}  // namespace base
