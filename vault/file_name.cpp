#include "vault/file_name.h"

#include <algorithm>
#include <clocale>
#include <cwctype>
#include <unordered_map>
#include <unordered_set>

#include "vault/utf8.h"

namespace vault {

namespace {

constexpr std::size_t kMostBytes = 200;
constexpr std::size_t kLongestExtension = 16;  // with its dot

// Characters that end a line, steer a terminal or turn the direction of writing (which hides an extension), and those
// that some client's file system refuses.
bool is_unsafe(char32_t c) {
  if (c < 0x20 || (c >= 0x7F && c <= 0x9F)) return true;
  if (c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) return true;
  return c < 0x80 && std::string_view("/\\:*?\"<>|").find(static_cast<char>(c)) != std::string_view::npos;
}

std::string without_unsafe(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto [code, size] = first_utf8(text);
    if (size == 0 || is_unsafe(code)) {
      out += '_';
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

void strip_end(std::string& name) { name.resize(name.find_last_not_of(". ") + 1); }

std::string_view extension(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kLongestExtension) return {};
  return name.substr(dot);
}

// `name` with `suffix` before its extension, in kMostBytes at most: the stem gives way.
std::string fitted(std::string_view name, std::string_view suffix = {}) {
  const auto ext = extension(name);
  const auto stem = name.substr(0, name.size() - ext.size());
  std::string out(cut_utf8(stem, kMostBytes - ext.size() - suffix.size()));
  out.append(suffix).append(ext);
  strip_end(out);
  return out;
}

// Windows opens a device for these names, whatever extension follows.
bool is_device(std::string_view name) {
  std::string base(name.substr(0, name.find('.')));
  strip_end(base);
  for (char& c : base)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  for (const std::string_view device : {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"})
    if (base == device) return true;
  if (!base.starts_with("COM") && !base.starts_with("LPT")) return false;
  const auto port = std::string_view(base).substr(3);
  if (port.size() == 1) return port[0] >= '0' && port[0] <= '9';
  return port == "\u00B9" || port == "\u00B2" || port == "\u00B3";  // superscript digits count too
}

// Equal for names that a file system without case takes for the same.
std::string folded(std::string_view name) {
  static const locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);  // lives as long as the process
  std::string out;
  while (!name.empty()) {
    const auto [code, size] = first_utf8(name);
    auto c = static_cast<std::wint_t>(code);
    if (unicode != nullptr) c = towlower_l(towupper_l(c, unicode), unicode);
    if (unicode == nullptr && c >= 'A' && c <= 'Z') c += 'a' - 'A';
    out += std::to_string(c) + " ";
    name.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace

bool waits_for_rename(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  for (const std::string_view ending : {".part", ".filepart", ".partial", ".tmp"}) {
    if (name.size() >= ending.size() && std::ranges::equal(name.substr(name.size() - ending.size()), ending, {}, lower))
      return true;
  }
  return name.starts_with(".");
}

std::string safe_name(std::string_view original) {
  std::string name = without_unsafe(original);
  name.erase(0, name.find_first_not_of('.'));
  strip_end(name);
  name = fitted(name);
  if (is_device(name)) name = fitted("_" + name);
  return name.empty() ? "unnamed" : name;
}

std::vector<std::string> unique_names(const std::vector<std::string>& originals,
                                      const std::vector<std::string>& taken) {
  std::unordered_set<std::string> used;
  for (const auto& name : taken) used.insert(folded(name));
  std::unordered_map<std::string, unsigned> last;  // per name: the number tried last, so that many equal ones stay fast
  std::vector<std::string> out;
  for (const auto& original : originals) {
    const std::string plain = safe_name(original);
    std::string name = plain;
    if (unsigned& n = last.try_emplace(folded(plain), 1).first->second; !used.insert(folded(name)).second) {
      do name = fitted(plain, " (" + std::to_string(++n) + ")");
      while (!used.insert(folded(name)).second);
    }
    out.push_back(std::move(name));
  }
  return out;
}

}  // namespace vault
