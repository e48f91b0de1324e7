#include "sftp/requests.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sftp {

namespace {

using base::Error;
using base::Fault;

constexpr std::string_view kReadOnly = "this folder is for downloading only";
constexpr std::string_view kWriteOnly = "this folder is for uploading only";
constexpr std::array<std::string_view, 5> kExtendedChanges = {"posix-rename@openssh.com", "hardlink@openssh.com",
                                                              "copy-data", "lsetstat@openssh.com", "fsync@openssh.com"};
constexpr std::uint32_t kWriting =
    open_flag::kWrite | open_flag::kAppend | open_flag::kCreate | open_flag::kTruncate | open_flag::kExclusive;

Status status_of(Refusal why) {
  switch (why) {
    case Refusal::gone:
    case Refusal::not_found: return Status::no_such_file;
    case Refusal::damaged:
    case Refusal::failed:
    case Refusal::too_many: return Status::failure;
    default: return Status::permission_denied;
  }
}

// An upper bound of the bytes of one entry in a NAME reply: the name twice, a line of `ls -l`, attributes.
std::size_t name_cost(const FolderFile& file) { return 2 * file.name.size() + 160; }

}  // namespace

// The one table. What stands in it without a function for somebody is what they may not do; what stands in no row is
// unknown.
const Requests::Row Requests::kTable[] = {
    {Packet::init, &Requests::init, &Requests::init},
    {Packet::realpath, &Requests::real_path, &Requests::real_path},
    {Packet::stat, &Requests::stat, &Requests::drop_stat},
    {Packet::lstat, &Requests::stat, &Requests::drop_stat},
    {Packet::fstat, &Requests::fstat, &Requests::drop_fstat},
    {Packet::opendir, &Requests::open_folder, &Requests::drop_open_folder},
    {Packet::readdir, &Requests::read_folder, &Requests::drop_read_folder},
    {Packet::open, &Requests::open_file, &Requests::drop_open},
    {Packet::read, &Requests::read, nullptr},
    {Packet::close, &Requests::close, &Requests::drop_close},
    {Packet::remove, &Requests::remove, &Requests::drop_remove},
    {Packet::extended, &Requests::extended, &Requests::drop_extended},
    {Packet::write, nullptr, &Requests::drop_write},
    {Packet::setstat, nullptr, &Requests::drop_set_attributes},
    {Packet::fsetstat, nullptr, &Requests::drop_set_file_attributes},
    {Packet::mkdir, nullptr, &Requests::drop_make_folder},
    {Packet::rename, nullptr, &Requests::drop_rename},
    {Packet::rmdir, nullptr, nullptr},
    {Packet::symlink, nullptr, nullptr},
};

// The one gate.
void Requests::dispatch(const Waiting& request) {
  const auto row = std::ranges::find(kTable, request.type, &Row::type);
  if (row == std::end(kTable)) return status(request, Status::op_unsupported, "unknown request");
  const bool recorder = around_.drop != nullptr;
  const Row::Run run = recorder ? row->recorder : row->reader;
  if (run == nullptr) return status(request, Status::permission_denied, recorder ? kWriteOnly : kReadOnly);
  if (!request.well_formed) return status(request, Status::bad_message, "malformed request");
  (this->*run)(request);
}

// --- arrival ---------------------------------------------------------------------------------------------------------

base::Result<void> Requests::arrive(base::ByteView bytes) {
  cutter_.add(bytes);
  for (;;) {
    const auto packet = cutter_.next();
    if (!packet) return packet.error();
    if (!*packet) return {};
    if (auto r = arrive_packet(**packet); !r) return r;
  }
}

base::Result<void> Requests::arrive_packet(base::ByteView packet) {
  const auto parsed = parse_request(packet);
  if (!parsed) return parsed.error();
  if (started_ == (parsed->type == Packet::init)) return Error{Fault::damaged, "INIT must come first, and once"};
  started_ = true;

  Waiting request{parsed->type, parsed->id};
  if (request.type == Packet::read) {
    const auto body = parse_read(parsed->body);
    request.well_formed = static_cast<bool>(body);
    if (body) {
      take_handle(request, body->handle, HandleKind::file);
      request.offset = body->offset;
      request.length = std::min(body->length, kMaxRead);
    }
  } else if (request.type == Packet::readdir || request.type == Packet::fstat || request.type == Packet::close) {
    const auto handle = parse_handle(parsed->body);
    request.well_formed = static_cast<bool>(handle);
    if (handle && request.type == Packet::close)
      take_close(request, *handle);
    else if (handle)
      take_handle(request, *handle, request.type == Packet::readdir ? HandleKind::folder : file_kind());
  } else if (request.type == Packet::write) {
    if (around_.drop != nullptr) take_write(request, parsed->body);  // a reader may not: its data is not kept
  } else {
    request.body.assign(parsed->body.begin(), parsed->body.end());
    const auto handle = base::Reader(parsed->body).string(kMaxHandle);
    if (request.type == Packet::fsetstat && handle) take_handle(request, *handle, HandleKind::upload);
  }
  waiting_cost_ += request.cost();
  waiting_.push_back(std::move(request));
  return {};
}

void Requests::take_write(Waiting& request, base::ByteView body) {
  const auto write = parse_write(body);
  request.well_formed = static_cast<bool>(write);
  if (!write) return;
  take_handle(request, write->handle, HandleKind::upload);
  request.offset = write->offset;
  request.body.assign(write->data.begin(), write->data.end());
}

void Requests::take_handle(Waiting& request, base::ByteView handle, HandleKind kind) {
  request.open = handles_.find(handle, kind);
  request.kind = kind;
}

// From here on the handle means nothing any more, and its READs that were not answered fail.
void Requests::take_close(Waiting& request, base::ByteView handle) {
  const auto closed = handles_.close(handle);
  if (!closed) return;
  request.open = closed->key;
  request.kind = closed->kind;
  if (closed->kind != HandleKind::file) return;
  for (Waiting& earlier : waiting_)
    if (earlier.type == Packet::read && earlier.open == closed->key) earlier.overtaken = true;
  const auto handle_of_keeper = files_.at(closed->key).bytes.keeper_handle();
  if (!handle_of_keeper) return;
  replies_.uncount(*handle_of_keeper);
  around_.in_flight.closed(*handle_of_keeper);
}

// --- answers ---------------------------------------------------------------------------------------------------------

std::optional<std::uint32_t> Requests::readable(const Waiting& request) const {
  if (request.type != Packet::read || !request.open || request.overtaken) return std::nullopt;
  const std::uint64_t size = files_.at(*request.open).bytes.size();
  if (request.offset >= size) return std::nullopt;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(request.length, size - request.offset));
}

std::size_t Requests::room_needed(const Waiting& request) const {
  const auto length = readable(request);
  return length ? Replies::data_size(*length) : request.type == Packet::read ? 256 : kMaxReply;
}

void Requests::answer() {
  while (!waiting_.empty() && !around_.link.over() && replies_.has_room(room_needed(waiting_.front()))) {
    Waiting request = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_cost_ -= request.cost();
    dispatch(request);
    if (request.type == Packet::write) base::wipe(std::span(request.body));
  }
}

void Requests::status(const Waiting& request, Status status, std::string_view text) {
  put_status(replies_.out(), request.id, status, text);
}

void Requests::refuse(const Waiting& request, Refusal why) { status(request, status_of(why), words(why)); }

void Requests::init(const Waiting&) {
  put_version(replies_.out());  // version 3, whatever was asked
}

void Requests::real_path(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  const std::string real = Folder::real_path(*path);
  put_names(replies_.out(), request.id, {{real, real, {}}});
}

void Requests::stat(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  const Folder& folder = around_.contents->folder();
  const auto place = folder.find(*path);
  if (!place) return refuse(request, Refusal::not_found);
  put_attributes(replies_.out(), request.id, folder.attributes(*place));
}

void Requests::fstat(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  const File& file = files_.at(*request.open);
  auto attributes = around_.contents->folder().attributes({false, file.place});
  attributes.size = file.bytes.size();  // a notice may have grown since it was opened
  put_attributes(replies_.out(), request.id, attributes);
}

void Requests::open_folder(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  const auto place = around_.contents->folder().find(*path);
  if (!place) return refuse(request, Refusal::not_found);
  if (!place->is_folder) return status(request, Status::failure, "not a folder");
  if (handles_.count() >= kMaxHandles) return status(request, Status::failure, "too many open files");
  if (auto r = around_.contents->refresh(around_.link, *around_.identity, base::SystemClock().now()); !r)
    return status(request, Status::failure, "the folder cannot be listed");
  folders_[next_open_] = 0;
  reply_handle(request, HandleKind::folder, next_open_++);
}

void Requests::read_folder(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  const Folder& folder = around_.contents->folder();
  std::size_t& next = folders_.at(*request.open);
  std::vector<NameEntry> page;
  for (std::size_t cost = 256; next < folder.files().size(); ++next) {
    const FolderFile& file = folder.files()[next];
    cost += name_cost(file);
    if (cost > kMaxReply) break;
    page.push_back({file.name, long_name(file.name, false, file.size, file.mtime), folder.attributes({false, next})});
  }
  if (page.empty()) return status(request, Status::eof, "end of folder");
  put_names(replies_.out(), request.id, page);
}

void Requests::open_file(const Waiting& request) {
  const auto asked = parse_open(request.body);
  if (!asked) return status(request, Status::bad_message, "malformed request");
  if ((asked->flags & kWriting) != 0) return status(request, Status::permission_denied, kReadOnly);
  const auto place = around_.contents->folder().find(asked->path);
  if (!place) return refuse(request, Refusal::not_found);
  if (place->is_folder) return status(request, Status::failure, "a folder");
  if (handles_.count() >= kMaxHandles) return status(request, Status::failure, "too many open files");
  if (const auto item = around_.contents->item(place->file)) return open_recording(request, place->file, *item);
  files_.emplace(next_open_, File{OpenFile::notice(around_.contents->notice(place->file)), place->file});
  reply_handle(request, HandleKind::file, next_open_++);
}

void Requests::open_recording(const Waiting& request, std::size_t place, std::uint32_t item) {
  base::Fd object;
  const auto answer = around_.link.ask<say::Opened>(ask::Open{item}, &object);
  if (const auto* why = std::get_if<Refusal>(&answer)) return refuse(request, *why);
  const auto& opened = std::get<say::Opened>(answer);
  auto bytes = OpenFile::recording(opened, std::move(object), *around_.identity);
  if (!bytes || bytes->size() != around_.contents->folder().files()[place].size) {
    around_.link.ask<say::Done>(ask::Close{opened.handle, false});
    return refuse(request, Refusal::damaged);
  }
  files_.emplace(next_open_, File{std::move(*bytes), place});
  reply_handle(request, HandleKind::file, next_open_++);
}

void Requests::reply_handle(const Waiting& request, HandleKind kind, std::uint64_t open) {
  const auto handle = handles_.open(kind, open);
  if (!handle) return status(request, Status::failure, "too many open files");
  put_handle(replies_.out(), request.id, base::as_bytes(*handle));
}

void Requests::read(const Waiting& request) {
  if (request.overtaken) return status(request, Status::failure, "closed before it was read");
  if (!request.open) return status(request, Status::failure, "no such handle");
  OpenFile& file = files_.at(*request.open).bytes;
  const auto length = readable(request);
  if (!length) return replies_.add_eof(request.id, file);
  if (!replies_.add_data(request.id, file, request.offset, *length)) tell_damage(file);
}

// The keeper hears of it at once; the client may read on, which proves nothing.
void Requests::tell_damage(OpenFile& file) {
  const auto handle = file.stop_counting();
  if (!handle) return;
  replies_.uncount(*handle);
  around_.in_flight.closed(*handle);
  around_.link.ask<say::Done>(ask::Close{*handle, false});
}

void Requests::close(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  if (request.kind == HandleKind::folder)
    folders_.erase(*request.open);
  else
    end_file(request);
  status(request, Status::ok, "closed");
}

// Whatever the keeper says, the client has closed the file.
void Requests::end_file(const Waiting& close) {
  const auto handle = files_.at(*close.open).bytes.keeper_handle();
  files_.erase(*close.open);
  if (!handle) return;
  around_.link.ask<say::Done>(ask::Close{*handle, true});
}

void Requests::client_is_gone() {
  for (const Waiting& request : waiting_)
    if (request.type == Packet::close && request.open && request.kind == HandleKind::file) end_file(request);
  for (const Drop::File file : uploads_) around_.drop->abandon(file);
  uploads_.clear();
  for (Waiting& request : waiting_) base::wipe(std::span(request.body));
  waiting_.clear();
  waiting_cost_ = 0;
}

void Requests::remove(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  const auto place = around_.contents->folder().find(*path);
  if (!place) return refuse(request, Refusal::not_found);
  const auto item = place->is_folder ? std::nullopt : around_.contents->item(place->file);
  if (!item) return status(request, Status::permission_denied, kReadOnly);
  const auto answer = around_.link.ask<say::Done>(ask::Remove{*item});
  if (const auto* why = std::get_if<Refusal>(&answer)) return refuse(request, *why);
  status(request, Status::ok, "removed");
}

void Requests::extended(const Waiting& request) {
  const auto name = parse_extended_name(request.body);
  if (!name) return status(request, Status::bad_message, "malformed request");
  if (*name == "limits@openssh.com") return put_limits(replies_.out(), request.id);
  const bool change = std::ranges::find(kExtendedChanges, *name) != kExtendedChanges.end();
  status(request, change ? Status::permission_denied : Status::op_unsupported, change ? kReadOnly : "unknown request");
}

// --- a recorder's ----------------------------------------------------------------------------------------------------

void Requests::drop_stat(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  const auto attributes = around_.drop->attributes(*path);
  if (!attributes) return refuse(request, Refusal::not_found);
  put_attributes(replies_.out(), request.id, *attributes);
}

void Requests::drop_fstat(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  put_attributes(replies_.out(), request.id, around_.drop->attributes(*request.open));
}

void Requests::drop_set_attributes(const Waiting& request) {
  const auto wanted = parse_path_attributes(request.body);
  if (!wanted) return status(request, Status::bad_message, "malformed request");
  reply(request, around_.drop->set_attributes(wanted->path, wanted->attributes));
}

void Requests::drop_set_file_attributes(const Waiting& request) {
  const auto wanted = parse_path_attributes(request.body);  // a handle is a string as a path is
  if (!wanted) return status(request, Status::bad_message, "malformed request");
  if (!request.open) return status(request, Status::failure, "no such handle");
  reply(request, around_.drop->set_attributes(*request.open, wanted->attributes));
}

void Requests::drop_open_folder(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  if (!around_.drop->is_folder(*path)) return refuse(request, Refusal::not_found);
  reply_handle(request, HandleKind::folder, next_open_++);
}

void Requests::drop_read_folder(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  status(request, Status::eof, "end of folder");
}

void Requests::drop_open(const Waiting& request) {
  const auto asked = parse_open(request.body);
  if (!asked) return status(request, Status::bad_message, "malformed request");
  if (handles_.count() >= kMaxHandles) return status(request, Status::failure, "too many open files");
  const auto opened = around_.drop->open(asked->path, asked->flags);
  if (const auto* refused = std::get_if<Drop::Answer>(&opened)) return reply(request, *refused);
  uploads_.insert(std::get<Drop::File>(opened));
  reply_handle(request, HandleKind::upload, std::get<Drop::File>(opened));
}

void Requests::drop_write(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  reply(request, around_.drop->write(*request.open, request.offset, request.body));
}

void Requests::drop_close(const Waiting& request) {
  if (!request.open) return status(request, Status::failure, "no such handle");
  if (request.kind == HandleKind::folder) return status(request, Status::ok, "closed");
  uploads_.erase(*request.open);
  reply(request, around_.drop->close(*request.open));
}

void Requests::drop_make_folder(const Waiting& request) {
  const auto wanted = parse_path_attributes(request.body);
  if (!wanted) return status(request, Status::bad_message, "malformed request");
  reply(request, around_.drop->make_folder(wanted->path));
}

void Requests::drop_rename(const Waiting& request) {
  const auto paths = parse_two_paths(request.body);
  if (!paths) return status(request, Status::bad_message, "malformed request");
  reply(request, around_.drop->rename(paths->first, paths->second));
}

void Requests::drop_remove(const Waiting& request) {
  const auto path = parse_path(request.body);
  if (!path) return status(request, Status::bad_message, "malformed request");
  reply(request, around_.drop->remove(*path));
}

// A file is on the disk when its CLOSE is answered; nobody needs to ask for it before.
void Requests::drop_extended(const Waiting& request) {
  const auto name = parse_extended_name(request.body);
  if (!name) return status(request, Status::bad_message, "malformed request");
  if (*name == "limits@openssh.com") return put_limits(replies_.out(), request.id);
  if (*name == "fsync@openssh.com") return status(request, Status::ok, "at its end");
  if (*name == "posix-rename@openssh.com") {
    const auto paths = parse_extended_two_paths(request.body);
    if (!paths) return status(request, Status::bad_message, "malformed request");
    return reply(request, around_.drop->rename(paths->first, paths->second));
  }
  const bool change = std::ranges::find(kExtendedChanges, *name) != kExtendedChanges.end();
  status(request, change ? Status::permission_denied : Status::op_unsupported, change ? kWriteOnly : "unknown request");
}

}  // namespace sftp
