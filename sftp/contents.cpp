#include "sftp/contents.h"

#include <algorithm>
#include <utility>

#include "sftp/notices.h"
#include "vault/folder_entry.h"

namespace sftp {

namespace {

using base::Error;
using base::Fault;

struct Recording {
  std::uint32_t item;
  vault::FolderEntry entry;
};

base::Result<Recording> open_entry(const say::Entry& listed, const keys::Identity& identity) {
  const auto text = keys::open_sealed(identity, listed.sealed);
  if (!text) return text.error().at("folder entry");
  auto entry = vault::parse_entry(text->reveal());
  if (!entry) return entry.error();
  return Recording{listed.item, std::move(*entry)};
}

bool same_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

base::Result<std::vector<Recording>> recordings(Link& link, const keys::Identity& identity) {
  std::vector<Recording> all;
  std::uint32_t seen = 0;
  for (std::uint32_t total = 1; seen < total;) {
    auto page = link.ask<say::Entries>(ask::List{seen});
    if (const auto* why = std::get_if<Refusal>(&page)) return Error{Fault::denied, std::string(words(*why))};
    const say::Entries listing = std::move(std::get<say::Entries>(page));
    total = listing.total;
    if (listing.entries.empty() && seen < total) return Error{Fault::damaged, "the list ends before its end"};
    for (const say::Entry& listed : listing.entries) {
      ++seen;
      if (listed.sealed.empty()) continue;
      auto opened = open_entry(listed, identity);
      if (!opened) return opened.error();
      all.push_back(std::move(*opened));
    }
  }
  return all;
}

}  // namespace

base::Result<Contents> Contents::load(Link& link, const LoggedIn& who, base::Seconds now) {
  auto found = recordings(link, who.identity);
  if (!found) return found.error();

  std::vector<FolderFile> names;
  std::vector<File> files;
  const auto add_notice = [&](std::string_view name, std::string text) {
    if (std::ranges::any_of(*found, [&](const Recording& r) { return same_without_case(r.entry.name, name); })) return;
    names.push_back({std::string(name), text.size(), now});
    files.push_back({std::nullopt, std::move(text)});
  };
  if (!who.granted.plain_folder) {
    ReadMe facts{who.granted.access, found->size(),          0,
                 who.granted.ends,   who.granted.checkpoint, who.granted.kind == "delivery"};
    std::vector<Sum> hashes;
    for (const auto& [item, entry] : *found) {
      facts.bytes += entry.size;
      hashes.push_back({entry.sha256, entry.name});
    }
    add_notice(kReadMeName, read_me(facts));
    add_notice(kSumsName, sums(hashes));
  }
  for (auto& [item, entry] : *found) {
    names.push_back({std::move(entry.name), entry.size, entry.mtime});
    files.push_back({item, {}});
  }
  auto folder = Folder::create(std::move(names));
  if (!folder) return folder.error();
  return Contents(std::move(*folder), std::move(files));
}

}  // namespace sftp
