#include "sftp/contents.h"

#include <iterator>
#include <utility>

#include "sftp/notices.h"
#include "vault/file_name.h"

namespace sftp {

using base::Error;
using base::Fault;

namespace {

base::Result<vault::FolderEntry> open_entry(const say::Entry& listed, const keys::Identity& identity) {
  const auto text = keys::open_sealed(identity, listed.sealed);
  if (!text) return text.error().at("folder entry");
  return vault::parse_entry(text->reveal());
}

}  // namespace

// What is behind what is known already.
base::Result<void> Contents::list(Link& link, const keys::Identity& identity) {
  std::vector<Recording> more;
  std::size_t next = recordings_.size();
  for (std::size_t total = next + 1; next < total;) {
    const auto page = link.ask<say::Entries>(ask::List{static_cast<std::uint32_t>(next)});
    if (const auto* why = std::get_if<Refusal>(&page)) return Error{Fault::denied, std::string(words(*why))};
    const auto& [of, entries] = std::get<say::Entries>(page);
    total = of;
    next += entries.size();
    if (entries.empty() && next < total) return Error{Fault::damaged, "the list ends before its end"};
    for (const say::Entry& listed : entries) {
      more.push_back({listed.item, std::nullopt});
      if (listed.sealed.empty()) continue;
      auto opened = open_entry(listed, identity);
      if (!opened) return opened.error();
      more.back().entry = std::move(*opened);
    }
  }
  recordings_.insert(recordings_.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return {};
}

// Names that are equal are told apart in the order of the items, so that each is the same at every log-in: whoever put
// a recording into a collecting delivery could not read the names that are in it.
base::Result<void> Contents::arrange(base::Seconds written) {
  std::vector<vault::FolderEntry> shown;
  std::vector<std::uint32_t> items;
  std::vector<std::string> originals;
  for (const Recording& recording : recordings_) {
    if (!recording.entry) continue;
    shown.push_back(*recording.entry);
    items.push_back(recording.item);
    originals.push_back(recording.entry->name);
  }
  const bool notices = !granted_.plain_folder;
  const auto names = vault::unique_names(
      originals, notices ? std::vector{std::string(kReadMeName), std::string(kSumsName)} : std::vector<std::string>());
  std::vector<FolderFile> folder_files;
  std::vector<File> files;
  if (notices) {
    ReadMe facts{granted_.access, shown.size(), 0, granted_.ends, granted_.checkpoint, granted_.kind == "delivery"};
    std::vector<Sum> hashes;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      facts.bytes += shown[i].size;
      hashes.push_back({shown[i].sha256, names[i]});
    }
    for (auto& [name, text] : {std::pair{kReadMeName, read_me(facts)}, {kSumsName, sums(hashes)}}) {
      folder_files.push_back({std::string(name), text.size(), written});
      files.push_back({std::nullopt, text});
    }
  }
  for (std::size_t i = 0; i < shown.size(); ++i) {
    folder_files.push_back({names[i], shown[i].size, shown[i].mtime});
    files.push_back({items[i], {}});
  }
  auto folder = Folder::create(std::move(folder_files));
  if (!folder) return folder.error();
  folder_ = std::move(*folder);
  files_ = std::move(files);
  return {};
}

base::Result<Contents> Contents::load(Link& link, const LoggedIn& who) {
  Contents contents(who.granted);
  if (auto r = contents.list(link, who.identity); !r) return r.error();
  if (auto r = contents.arrange(who.granted.written); !r) return r.error();
  return contents;
}

base::Result<void> Contents::refresh(Link& link, const keys::Identity& identity, base::Seconds now) {
  if (granted_.kind != "standing") return {};
  const std::size_t known = recordings_.size();
  if (auto r = list(link, identity); !r) return r;
  if (recordings_.size() == known) return {};
  return arrange(now);
}

}  // namespace sftp
