#include "vault/folder_entry.h"

#include "tests/testkit/expect.h"

namespace {

using base::Fault;
using vault::FolderEntry;
using vault::parse_entry;
using vault::print_entry;

FolderEntry example() { return {"call (2).wav", 240044, 1795339815, std::string(64, 'a')}; }

base::Result<FolderEntry> through(const FolderEntry& entry) { return parse_entry(print_entry(entry)); }

TEST(FolderEntry, IsTheDocumentedLayout) {
  const auto bytes = print_entry({"a", 258, -2, "f"});
  EXPECT_EQ(base::hex(bytes),
            "01"
            "00000001"
            "61"
            "0000000000000102"
            "fffffffffffffffe"
            "00000001"
            "66");
}

TEST(FolderEntry, IsReadBack) {
  auto entry = example();
  EXPECT_EQ(testkit::must(through(entry)), entry);
  entry = {std::string(200, 'x'), UINT64_MAX, INT64_MIN, std::string(64, '0')};
  EXPECT_EQ(testkit::must(through(entry)), entry);
}

TEST(FolderEntry, EveryCutIsRefused) {
  const auto bytes = print_entry(example());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FAULT(Fault::damaged, parse_entry(base::ByteView(bytes).first(size))) << size;
}

TEST(FolderEntry, AByteMoreIsRefused) {
  auto bytes = print_entry(example());
  base::put_u8(bytes, 0);
  EXPECT_FAULT(Fault::damaged, parse_entry(bytes));
}

TEST(FolderEntry, AnotherLayoutIsRefused) {
  auto bytes = print_entry(example());
  bytes[0] = std::byte{2};
  EXPECT_FAULT(Fault::damaged, parse_entry(bytes));
}

TEST(FolderEntry, AnUnsafeNameIsRefused) {
  for (const std::string name : {"", "..", "../a", "/etc/passwd", "a\nb", "con.wav", "a.", "a\xFF", ".a", "a:b"}) {
    auto entry = example();
    entry.name = name;
    EXPECT_FAULT(Fault::damaged, through(entry)) << name;
  }
}

TEST(FolderEntry, ATooLongNameIsRefused) {
  auto entry = example();
  for (const std::size_t size : {201U, 255U, 256U, 70000U}) {
    entry.name = std::string(size, 'a');
    EXPECT_FAULT(Fault::damaged, through(entry)) << size;
  }
}

TEST(FolderEntry, ALengthBeyondTheEndIsRefused) {
  auto bytes = print_entry(example());
  for (std::size_t i = 1; i < 5; ++i) bytes[i] = std::byte{0xFF};
  EXPECT_FAULT(Fault::damaged, parse_entry(bytes));
}

TEST(FolderEntry, AHashOfAnotherFormIsRefused) {
  for (const auto& hash : {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
                           std::string(63, 'a') + "\n", std::string(64, 'g')}) {
    auto entry = example();
    entry.sha256 = hash;
    EXPECT_FAULT(Fault::damaged, through(entry)) << hash;
  }
}

}  // namespace
