// UTF-8: reads one character at a time (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace vault {

struct Utf8Char {
  char32_t code = 0;
  std::size_t size = 0;  // bytes; 0: the text does not begin with a whole valid character
};

Utf8Char first_utf8(std::string_view text);

// The longest beginning of `text` that has at most `max` bytes and ends at a character. `text` is valid UTF-8.
std::string_view cut_utf8(std::string_view text, std::size_t max);

}  // namespace vault
