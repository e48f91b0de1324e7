// The drop's names and states, before a keeper that notes what it is asked.
#include "sftp/drop.h"

#include "tests/testkit/expect.h"

namespace sftp {
namespace {

constexpr std::uint32_t kPut = open_flag::kWrite | open_flag::kCreate | open_flag::kTruncate;

class NotedUploads final : public Uploads {
 public:
  std::variant<std::uint32_t, Refusal> begin() override {
    if (refuse) return *refuse;
    running[next];
    return next++;
  }
  std::optional<Refusal> append(std::uint32_t upload, base::ByteView data) override {
    if (refuse) return refuse;
    running.at(upload) += base::to_text(data);
    return std::nullopt;
  }
  std::optional<Refusal> hold(std::uint32_t upload, const std::string& path) override {
    const auto content = running.extract(upload);
    if (refuse) return refuse;
    (waits_for_rename(path) ? waiting : held)[path] = content.mapped();
    return std::nullopt;
  }
  std::optional<Refusal> move(const std::string& from, const std::string& to) override {
    const auto content = waiting.extract(from);
    if (content.empty()) return Refusal::not_found;
    if (refuse) return refuse;
    (waits_for_rename(to) ? waiting : held)[to] = content.mapped();
    return std::nullopt;
  }
  bool forget(const std::string& path) override { return waiting.erase(path) == 1; }
  std::optional<std::uint64_t> look(const std::string& path) override {
    if (waiting.contains(path)) return waiting.at(path).size();
    return held.contains(path) ? std::optional<std::uint64_t>(held.at(path).size()) : std::nullopt;
  }
  void drop(std::uint32_t upload) override {
    if (running.erase(upload) != 1) ADD_FAILURE() << "dropped what was not running";
  }

  std::optional<Refusal> refuse;
  std::uint32_t next = 0;
  std::map<std::uint32_t, std::string> running;
  std::map<std::string, std::string> waiting, held;
};

class DropTest : public testing::Test {
 protected:
  Drop::File open(std::string_view path, std::uint32_t flags = kPut) {
    const auto opened = drop.open(path, flags);
    if (const auto* file = std::get_if<Drop::File>(&opened)) return *file;
    ADD_FAILURE() << path << ": " << std::get<Drop::Answer>(opened).text;
    return 0;
  }
  Status refused(std::string_view path, std::uint32_t flags = kPut) {
    const auto opened = drop.open(path, flags);
    const auto* answer = std::get_if<Drop::Answer>(&opened);
    return answer == nullptr ? Status::ok : answer->status;
  }
  Status write(Drop::File file, std::uint64_t offset, std::string_view text) {
    return drop.write(file, offset, base::as_bytes(text)).status;
  }
  Status put(std::string_view path, std::string_view text) {
    const Drop::File file = open(path);
    EXPECT_EQ(write(file, 0, text), Status::ok);
    return drop.close(file).status;
  }
  std::optional<std::uint64_t> size(std::string_view path) {
    const auto attributes = drop.attributes(path);
    return attributes ? attributes->size : std::nullopt;
  }
  using Held = std::map<std::string, std::string>;

  NotedUploads keeper;
  Drop drop{keeper};
};

TEST_F(DropTest, AFileIsHeldAtItsClose) {
  const Drop::File file = open("/call.wav");
  EXPECT_EQ(write(file, 0, "RIFF"), Status::ok);
  EXPECT_EQ(drop.attributes(file).size, 4u);
  EXPECT_TRUE(keeper.held.empty());
  EXPECT_EQ(drop.close(file).status, Status::ok);
  EXPECT_EQ(keeper.held, (Held{{"call.wav", "RIFF"}}));
  EXPECT_TRUE(keeper.running.empty());
  EXPECT_EQ(size("/call.wav"), 4u) << "clients look whether it came whole";
  EXPECT_EQ(size("/other.wav"), std::nullopt);
}

TEST_F(DropTest, NothingIsOverwrittenReadOrRemoved) {
  EXPECT_EQ(put("call.wav", "one"), Status::ok);
  EXPECT_EQ(refused("call.wav"), Status::permission_denied);
  EXPECT_EQ(refused("./call.wav", kPut | open_flag::kExclusive), Status::permission_denied);
  EXPECT_EQ(refused("call.wav", open_flag::kRead), Status::permission_denied);
  EXPECT_EQ(refused("never.wav", open_flag::kRead), Status::permission_denied);
  EXPECT_EQ(drop.remove("call.wav").status, Status::permission_denied);
  EXPECT_EQ(drop.remove("never.wav").status, Status::no_such_file);
  EXPECT_EQ(drop.rename("call.wav", "other.wav").status, Status::permission_denied);
  EXPECT_EQ(put("new.part", "two"), Status::ok);
  EXPECT_EQ(drop.rename("new.part", "call.wav").status, Status::failure);
  EXPECT_EQ(keeper.held, (Held{{"call.wav", "one"}}));
  Attributes shorter;
  shorter.size = 0;
  EXPECT_EQ(drop.set_attributes("call.wav", shorter).status, Status::permission_denied);
}

TEST_F(DropTest, UnfinishedNamesWaitForTheirRename) {
  int number = 0;
  for (const std::string name :
       {"a.wav.part", "b.wav.filepart", "c.tmp", "d.wav.PARTIAL", ".e.wav.x7", "f/.in.g.wav"}) {
    EXPECT_TRUE(waits_for_rename(name)) << name;
    EXPECT_EQ(put(name, name), Status::ok);
    EXPECT_TRUE(keeper.held.empty()) << name;
    EXPECT_EQ(size(name), name.size());
    EXPECT_EQ(drop.rename(name, "done/" + std::to_string(++number) + ".wav").status, Status::ok);
    EXPECT_EQ(keeper.held.size(), 1u) << name;
    EXPECT_EQ(size(name), std::nullopt);
    keeper.held.clear();
  }
  for (const std::string name : {"a.wav", "part", "x.part.wav", ".d/e.wav"})
    EXPECT_FALSE(waits_for_rename(name)) << name;
}

TEST_F(DropTest, ARenameToAnotherUnfinishedNameHoldsNothing) {
  EXPECT_EQ(put("a.part", "x"), Status::ok);
  EXPECT_EQ(drop.rename("a.part", "b.tmp").status, Status::ok);
  EXPECT_TRUE(keeper.held.empty());
  EXPECT_EQ(drop.rename("b.tmp", "b.wav").status, Status::ok);
  EXPECT_EQ(keeper.held, (Held{{"b.wav", "x"}}));
}

TEST_F(DropTest, AnUnfinishedFileCanBeRemovedOrBegunAnew) {
  EXPECT_EQ(put("a.part", "half"), Status::ok);
  EXPECT_EQ(refused("a.part", open_flag::kWrite), Status::failure) << "going on in the middle";
  EXPECT_EQ(put("a.part", "whole"), Status::ok);
  EXPECT_EQ(keeper.waiting, (Held{{"a.part", "whole"}}));
  EXPECT_EQ(drop.remove("a.part").status, Status::ok);
  EXPECT_TRUE(keeper.waiting.empty());
  EXPECT_EQ(drop.rename("a.part", "a.wav").status, Status::no_such_file);
}

TEST_F(DropTest, AnOpenFileIsNobodyElses) {
  const Drop::File file = open("a.part");
  EXPECT_EQ(refused("a.part"), Status::failure);
  EXPECT_EQ(drop.rename("a.part", "a.wav").status, Status::failure);
  EXPECT_EQ(drop.remove("a.part").status, Status::permission_denied);
  drop.abandon(file);
  EXPECT_TRUE(keeper.running.empty());
  EXPECT_EQ(size("a.part"), std::nullopt);
}

TEST_F(DropTest, WhatHasAGapOrWasWrittenTwiceIsDropped) {
  Drop::File file = open("gap.wav");
  EXPECT_EQ(write(file, 0, "abc"), Status::ok);
  EXPECT_EQ(write(file, 9, "xyz"), Status::ok);
  EXPECT_EQ(drop.close(file).status, Status::failure);
  file = open("again.wav");
  EXPECT_EQ(write(file, 0, "abc"), Status::ok);
  EXPECT_EQ(write(file, 0, "ABC"), Status::permission_denied);
  EXPECT_EQ(write(file, 3, "def"), Status::failure) << "it failed before";
  EXPECT_EQ(drop.close(file).status, Status::failure);
  file = open("far.wav");
  EXPECT_EQ(write(file, Arrival::kWindow + 1, "x"), Status::failure);
  EXPECT_EQ(drop.close(file).status, Status::failure);
  EXPECT_TRUE(keeper.held.empty());
  EXPECT_TRUE(keeper.running.empty());
  EXPECT_EQ(put("gap.wav", "whole"), Status::ok) << "the name is free again";
}

TEST_F(DropTest, ARefusalOfTheKeeperIsTold) {
  const Drop::File file = open("a.wav");
  keeper.refuse = Refusal::full;
  EXPECT_EQ(write(file, 0, "abc"), Status::failure);
  EXPECT_EQ(drop.close(file).status, Status::failure);
  EXPECT_EQ(refused("b.wav"), Status::failure);
  keeper.refuse = Refusal::not_allowed;
  EXPECT_EQ(refused("b.wav"), Status::permission_denied);
  keeper.refuse.reset();
  const Drop::File other = open("c.wav");
  EXPECT_EQ(write(other, 0, "abc"), Status::ok);
  keeper.refuse = Refusal::failed;
  EXPECT_EQ(drop.close(other).status, Status::failure);
  EXPECT_EQ(size("c.wav"), std::nullopt);
  EXPECT_TRUE(keeper.running.empty());
}

TEST_F(DropTest, NamesAreDataAndNoWayOut) {
  for (const std::string_view path :
       {std::string_view("../a.wav"), std::string_view("a/../../b.wav"), std::string_view("/.."),
        std::string_view("a\0b.wav", 7), std::string_view("/"), std::string_view(""), std::string_view(".")}) {
    EXPECT_EQ(refused(path), Status::permission_denied) << path;
  }
  EXPECT_EQ(put("x.part", "x"), Status::ok);
  EXPECT_EQ(drop.rename("x.part", "../../etc/passwd").status, Status::permission_denied);
  EXPECT_EQ(drop.make_folder("../up").status, Status::permission_denied);
  EXPECT_EQ(put("//a//./b\n<b>.wav", "y"), Status::ok);
  EXPECT_EQ(keeper.held, (Held{{"a/b\n<b>.wav", "y"}}));
}

TEST_F(DropTest, FoldersAreThoseOfThisConnection) {
  EXPECT_TRUE(drop.is_folder("/"));
  EXPECT_FALSE(drop.is_folder("/2026"));
  EXPECT_EQ(drop.make_folder("/2026/11").status, Status::ok);
  EXPECT_TRUE(drop.is_folder("2026"));
  EXPECT_EQ(drop.make_folder("/2026").status, Status::ok) << "another connection asks again";
  EXPECT_EQ(put("a.wav", "x"), Status::ok);
  EXPECT_EQ(drop.make_folder("/a.wav").status, Status::failure);
  EXPECT_EQ(refused("2026"), Status::failure);
  EXPECT_EQ(put("other/a.wav", "x"), Status::ok) << "another connection may have made its folder";
  EXPECT_TRUE(drop.is_folder("other"));
  EXPECT_EQ(drop.remove("2026").status, Status::permission_denied);
  ASSERT_TRUE(drop.attributes("/2026"));
  EXPECT_EQ(drop.attributes("/2026")->permissions, 040700u);
}

TEST_F(DropTest, TimesMayBeSetAndASizeMayNot) {
  EXPECT_EQ(put("a.wav", "x"), Status::ok);
  Attributes set;
  set.mtime = 1795339815;
  set.permissions = 0100644;
  EXPECT_EQ(drop.set_attributes("a.wav", set).status, Status::ok);
  set.size = 1;
  EXPECT_EQ(drop.set_attributes("a.wav", set).status, Status::ok);
  set.size = 2;
  EXPECT_EQ(drop.set_attributes("a.wav", set).status, Status::permission_denied);
  EXPECT_EQ(drop.set_attributes("b.wav", {}).status, Status::no_such_file);
}

TEST_F(DropTest, WhatAnotherConnectionBroughtCanBeLookedAtAndRenamed) {
  Drop other(keeper);
  EXPECT_EQ(put("a.part", "one"), Status::ok);
  EXPECT_EQ(put("b.wav", "twos"), Status::ok);
  EXPECT_EQ(other.attributes("a.part")->size, 3u);
  EXPECT_EQ(other.attributes("b.wav")->size, 4u);
  EXPECT_EQ(other.set_attributes("b.wav", {}).status, Status::ok);
  EXPECT_EQ(other.remove("b.wav").status, Status::no_such_file);
  EXPECT_EQ(other.rename("a.part", "a.wav").status, Status::ok);
  EXPECT_EQ(keeper.held, (Held{{"a.wav", "one"}, {"b.wav", "twos"}}));
  const auto again = other.open("b.wav", kPut);  // the answer was lost with its line: it sends again
  EXPECT_TRUE(std::holds_alternative<Drop::File>(again));
}

TEST_F(DropTest, OldNamesAreForgotten) {
  for (std::size_t i = 0; i <= Drop::kMostNames; ++i) {
    const Drop::File file = open(std::to_string(i));
    ASSERT_EQ(drop.close(file).status, Status::ok);
  }
  keeper.held.clear();
  EXPECT_EQ(size("0"), std::nullopt);
  EXPECT_EQ(size(std::to_string(Drop::kMostNames)), 0u);
}

}  // namespace
}  // namespace sftp
