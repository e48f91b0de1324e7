// Drop: what one recorder's connection uploads. It shows nothing but what the recorder itself has brought since its
// connections began, since clients look whether their file came whole. Names are data: looked up in a table, and given
// to the keeper; never joined to a path.
// A file is held by the keeper at its CLOSE, or, when its name says that it is not finished, at its RENAME, which may
// come over another connection. What is open when its connection ends is dropped, and what waits with the last one.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "sftp/arrival.h"
#include "sftp/link.h"
#include "sftp/wire.h"
#include "vault/file_name.h"

namespace sftp {

// What the drop asks of the keeper.
class Uploads {
 public:
  virtual ~Uploads() = default;
  virtual std::variant<std::uint32_t, Refusal> begin() = 0;
  virtual std::optional<Refusal> append(std::uint32_t upload, base::ByteView data) = 0;
  virtual std::optional<Refusal> hold(std::uint32_t upload, const std::string& path) = 0;  // as ask::Hold
  virtual void drop(std::uint32_t upload) = 0;
  virtual std::optional<Refusal> move(const std::string& from, const std::string& to) = 0;
  virtual bool forget(const std::string& path) = 0;
  virtual std::optional<std::uint64_t> look(const std::string& path) = 0;
};

class KeeperUploads final : public Uploads {
 public:
  explicit KeeperUploads(Link& link) : link_(link) {}
  std::variant<std::uint32_t, Refusal> begin() override;
  std::optional<Refusal> append(std::uint32_t upload, base::ByteView data) override;
  std::optional<Refusal> hold(std::uint32_t upload, const std::string& path) override;
  void drop(std::uint32_t upload) override;
  std::optional<Refusal> move(const std::string& from, const std::string& to) override;
  bool forget(const std::string& path) override;
  std::optional<std::uint64_t> look(const std::string& path) override;

 private:
  std::optional<Refusal> accepted(const Ask& request);
  Link& link_;
};

class Drop {
 public:
  static constexpr std::size_t kMostNames = 4096;  // of files that are held, and of folders; older ones are forgotten

  explicit Drop(Uploads& uploads) : uploads_(uploads) {}
  Drop(const Drop&) = delete;
  Drop& operator=(const Drop&) = delete;

  struct Answer {
    Status status;
    std::string_view text;
  };
  using File = std::uint64_t;  // an open one; numbers are never reused

  std::variant<File, Answer> open(std::string_view path, std::uint32_t flags);
  // REQUIRES for those with a File: open() gave it, and close() has not ended it.
  Answer write(File file, std::uint64_t offset, base::ByteView data);
  Answer close(File file);
  void abandon(File file);  // ends it as well; it is dropped
  Attributes attributes(File file) const;
  Answer set_attributes(File file, const Attributes& wanted);

  std::optional<Attributes> attributes(std::string_view path) const;  // nullopt: no such file or folder
  bool is_folder(std::string_view path) const;
  Answer set_attributes(std::string_view path, const Attributes& wanted);
  Answer make_folder(std::string_view path);
  Answer rename(std::string_view from, std::string_view to);
  Answer remove(std::string_view path);

 private:
  struct Known {
    bool held;             // else it is open
    std::uint32_t upload;  // of an open one
    std::uint64_t size = 0;
  };
  struct OpenFile {
    std::string name;
    Arrival arrival{};
    bool broken = false;
  };
  static constexpr int kMostLogged = 8;  // refusals of a connection
  std::variant<File, Answer> try_open(std::string_view path, std::uint32_t flags);
  std::optional<std::uint64_t> size_of(const std::string& name) const;
  void held(const std::string& name, std::uint64_t size);
  void add_parents(const std::string& name);

  Uploads& uploads_;
  std::map<std::string, Known> names_;
  std::deque<std::string> held_;  // names of held ones, the oldest first
  std::set<std::string> folders_;
  std::map<File, OpenFile> files_;
  File next_ = 0;
  int logged_ = 0;
};

// "a/b.wav" of "/a//./b.wav"; "" is the drop itself. nullopt: "..", or a NUL.
std::optional<std::string> drop_name(std::string_view path);
using vault::waits_for_rename;  // the same names as in a spool

}  // namespace sftp
