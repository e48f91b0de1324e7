// Anything typed as a password: what is accepted shows as a text that is accepted again and shows the same.
#include "keys/password.h"

namespace {
void insist(bool held) {
  if (!held) __builtin_trap();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto password = keys::Password::parse(std::as_bytes(std::span(data, size)));
  if (!password) return insist(password.error().fault == base::Fault::denied), 0;
  insist(size <= 64);
  const auto text = password->text();
  const auto again = keys::Password::parse(text->reveal());
  insist(again && *again->text() == *text);
  return 0;
}
