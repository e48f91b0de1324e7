#include "sftp/drop.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/secret.h"

namespace sftp {

namespace {

constexpr Drop::Answer kDone{Status::ok, "done"};
constexpr Drop::Answer kNoName{Status::permission_denied, "this is no name for a recording"};
constexpr Drop::Answer kNoSuchFile{Status::no_such_file, "no such file"};
constexpr Drop::Answer kKept{Status::permission_denied, "what was uploaded stays as it is"};
constexpr Drop::Answer kExists{Status::failure, "there is such a name already"};
constexpr Drop::Answer kBusy{Status::failure, "this file is being uploaded"};
constexpr Drop::Answer kTooMany{Status::failure, "too many folders in one connection"};

Drop::Answer refusal(Refusal why) {
  const bool denied = why == Refusal::not_allowed || why == Refusal::revoked;
  return {denied ? Status::permission_denied : Status::failure, words(why)};
}

Attributes attributes_of(std::uint64_t size) {
  Attributes out;
  out.size = size;
  out.uid = out.gid = 0;
  out.permissions = 0100600;
  out.atime = out.mtime = 0;
  return out;
}

Attributes folder_attributes() {
  Attributes out;
  out.uid = out.gid = 0;
  out.permissions = 040700;
  out.atime = out.mtime = 0;
  return out;
}

}  // namespace

std::optional<std::string> drop_name(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return std::nullopt;
  std::string name;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    at = end + 1;
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    if (!name.empty()) name.push_back('/');
    name.append(part);
  }
  return name;
}

// --- the keeper's side -----------------------------------------------------------------------------------------------

std::optional<Refusal> KeeperUploads::accepted(const Ask& request) {
  const auto answer = link_.ask<say::Accepted>(request);
  const auto* why = std::get_if<Refusal>(&answer);
  return why == nullptr ? std::nullopt : std::optional(*why);
}

std::variant<std::uint32_t, Refusal> KeeperUploads::begin() {
  const auto answer = link_.ask<say::Uploading>(ask::Upload{});
  if (const auto* why = std::get_if<Refusal>(&answer)) return *why;
  return std::get<say::Uploading>(answer).upload;
}

std::optional<Refusal> KeeperUploads::append(std::uint32_t upload, base::ByteView data) {
  while (!data.empty()) {
    const auto part = data.first(std::min(data.size(), kMaxAppend));
    Ask request = ask::Append{upload, {part.begin(), part.end()}};
    const auto refused = accepted(request);
    base::wipe(std::span(std::get<ask::Append>(request).data));
    if (refused) return refused;
    data = data.subspan(part.size());
  }
  return std::nullopt;
}

std::optional<Refusal> KeeperUploads::hold(std::uint32_t upload, const std::string& path) {
  return accepted(ask::Hold{upload, path});
}

void KeeperUploads::drop(std::uint32_t upload) { (void)accepted(ask::Drop{upload}); }

std::optional<Refusal> KeeperUploads::move(const std::string& from, const std::string& to) {
  return accepted(ask::Move{from, to});
}

bool KeeperUploads::forget(const std::string& path) { return !accepted(ask::Forget{path}); }

std::optional<std::uint64_t> KeeperUploads::look(const std::string& path) {
  const auto answer = link_.ask<say::Known>(ask::Look{path});
  const auto* known = std::get_if<say::Known>(&answer);
  return known == nullptr ? std::nullopt : std::optional(known->size);
}

// --- files -----------------------------------------------------------------------------------------------------------

std::variant<Drop::File, Drop::Answer> Drop::open(std::string_view path, std::uint32_t flags) {
  auto opened = try_open(path, flags);
  // Its operator should see that a recorder is out of order; the log should not fill up with it, nor with its names.
  const auto* refused = std::get_if<Answer>(&opened);
  if (refused != nullptr && logged_++ < kMostLogged)
    base::log_warning("an upload is refused to a recorder: " + std::string(refused->text));
  return opened;
}

std::variant<Drop::File, Drop::Answer> Drop::try_open(std::string_view path, std::uint32_t flags) {
  if ((flags & open_flag::kWrite) == 0) return Answer{Status::permission_denied, "this folder is for uploading only"};
  const auto name = drop_name(path);
  if (!name || name->empty()) return kNoName;
  if (folders_.contains(*name)) return kExists;
  if (const auto known = names_.find(*name); known != names_.end()) return known->second.held ? kKept : kBusy;
  const bool waits = waits_for_rename(*name) && uploads_.look(*name);
  if (!waits && (flags & open_flag::kCreate) == 0) return kNoSuchFile;
  if (waits) {
    if ((flags & open_flag::kTruncate) == 0 || (flags & open_flag::kExclusive) != 0) return kExists;
    (void)uploads_.forget(*name);
  }
  const auto begun = uploads_.begin();
  if (const auto* why = std::get_if<Refusal>(&begun)) return refusal(*why);
  names_.emplace(*name, Known{false, std::get<std::uint32_t>(begun)});
  add_parents(*name);
  files_.emplace(next_, OpenFile{*name});
  return next_++;
}

// Some clients write into folders that another connection of theirs has made.
void Drop::add_parents(const std::string& name) {
  for (std::size_t end = name.find('/'); end != std::string::npos; end = name.find('/', end + 1))
    if (folders_.size() < kMostNames) folders_.insert(name.substr(0, end));
}

Drop::Answer Drop::write(File number, std::uint64_t offset, base::ByteView data) {
  OpenFile& file = files_.at(number);
  if (file.broken) return {Status::failure, "the upload failed before"};
  Known& known = names_.at(file.name);
  std::optional<Refusal> refused;
  const auto verdict = file.arrival.add(offset, data, [&](base::ByteView part) {
    refused = uploads_.append(known.upload, part);
    return !refused;
  });
  known.size = file.arrival.size();
  file.broken = verdict != Arrival::Verdict::fine;
  switch (verdict) {
    case Arrival::Verdict::fine: return kDone;
    case Arrival::Verdict::again: return {Status::permission_denied, "what was written stays as it is"};
    case Arrival::Verdict::too_far: return {Status::failure, "written too far ahead"};
    case Arrival::Verdict::failed: break;
  }
  return refusal(refused.value_or(Refusal::failed));
}

Drop::Answer Drop::close(File number) {
  const auto file = files_.extract(number);
  const std::string& name = file.mapped().name;
  const Known known = names_.extract(name).mapped();
  if (file.mapped().broken || file.mapped().arrival.has_gap()) {
    uploads_.drop(known.upload);
    return {Status::failure, "the upload is not whole, and was dropped"};
  }
  if (const auto refused = uploads_.hold(known.upload, name)) return refusal(*refused);
  if (!waits_for_rename(name)) held(name, known.size);
  return kDone;
}

void Drop::abandon(File number) {
  const auto file = files_.extract(number);
  const auto known = names_.find(file.mapped().name);
  uploads_.drop(known->second.upload);
  names_.erase(known);
}

void Drop::held(const std::string& name, std::uint64_t size) {
  names_[name] = {true, 0, size};
  held_.push_back(name);
  if (held_.size() <= kMostNames) return;
  names_.erase(held_.front());
  held_.pop_front();
}

Attributes Drop::attributes(File number) const { return attributes_of(names_.at(files_.at(number).name).size); }

Drop::Answer Drop::set_attributes(File number, const Attributes& wanted) {
  return set_attributes(files_.at(number).name, wanted);
}

// --- names -----------------------------------------------------------------------------------------------------------

bool Drop::is_folder(std::string_view path) const {
  const auto name = drop_name(path);
  return name && (name->empty() || folders_.contains(*name));
}

std::optional<std::uint64_t> Drop::size_of(const std::string& name) const {
  const auto known = names_.find(name);
  return known != names_.end() ? std::optional(known->second.size) : uploads_.look(name);
}

std::optional<Attributes> Drop::attributes(std::string_view path) const {
  if (is_folder(path)) return folder_attributes();
  const auto name = drop_name(path);
  const auto size = name ? size_of(*name) : std::nullopt;
  return size ? std::optional(attributes_of(*size)) : std::nullopt;
}

// Owner, permissions and times are the client's own business, and not kept; a size is not.
Drop::Answer Drop::set_attributes(std::string_view path, const Attributes& wanted) {
  if (is_folder(path)) return kDone;
  const auto name = drop_name(path);
  const auto size = name ? size_of(*name) : std::nullopt;
  if (!size) return kNoSuchFile;
  return wanted.size && *wanted.size != *size ? kKept : kDone;
}

Drop::Answer Drop::make_folder(std::string_view path) {
  const auto name = drop_name(path);
  if (!name) return kNoName;
  if (is_folder(*name)) return kDone;  // rclone makes it over several connections at once
  if (names_.contains(*name)) return kExists;
  if (folders_.size() >= kMostNames) return kTooMany;
  add_parents(*name);
  folders_.insert(*name);
  return kDone;
}

Drop::Answer Drop::rename(std::string_view from, std::string_view to) {
  const auto name = drop_name(from);
  const auto target = drop_name(to);
  if (!target || target->empty()) return kNoName;
  if (!name || is_folder(*name)) return name ? kKept : kNoSuchFile;
  if (const auto known = names_.find(*name); known != names_.end()) return known->second.held ? kKept : kBusy;
  if (names_.contains(*target) || folders_.contains(*target)) return kExists;
  const auto size = uploads_.look(*name);
  if (const auto refused = uploads_.move(*name, *target))
    return *refused == Refusal::not_found ? kNoSuchFile : refusal(*refused);
  add_parents(*target);
  if (!waits_for_rename(*target)) held(*target, size.value_or(0));
  return kDone;
}

Drop::Answer Drop::remove(std::string_view path) {
  const auto name = drop_name(path);
  if (!name) return kNoSuchFile;
  if (is_folder(*name) || names_.contains(*name)) return kKept;
  return uploads_.forget(*name) ? kDone : kNoSuchFile;
}

}  // namespace sftp
