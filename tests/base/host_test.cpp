#include "base/host.h"

#include <gtest/gtest.h>

#include <boost/filesystem/operations.hpp>
#include <string>

#include "base/files.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/temp_folder.h"

namespace base {
namespace {

class Host : public testing::Test {
 protected:
  void device(const std::string& name, const std::string& id) {
    boost::filesystem::create_directories(block_ / (name + "/dm").c_str());
    testkit::must(system_files().create_whole(block_ / (name + "/dm/uuid").c_str(), as_bytes(id + "\n")));
  }
  bool reaches(const std::string& lines) {
    return swap_reaches_disk("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + lines, block_.path());
  }
  testkit::TempFolder block_;
};

TEST_F(Host, SwapOnADiskIsToldFromNoneAndFromCompressedMemory) {
  EXPECT_FALSE(swap_reaches_disk("", block_.path()));
  EXPECT_FALSE(reaches(""));
  EXPECT_FALSE(reaches("/dev/zram0 partition\t1\t0\t100\n"));
  EXPECT_TRUE(reaches("/dev/sda2 partition\t1\t0\t-2\n"));
  EXPECT_TRUE(reaches("/swapfile file\t1\t0\t-2"));
  EXPECT_TRUE(reaches("/dev/zram0 partition\t1\t0\t100\n/swapfile file\t1\t0\t-2\n"));
}

TEST_F(Host, EncryptionCountsOnTheDeviceAndBelowIt) {
  device("dm-0", "CRYPT-LUKS2-0123-disk");
  device("dm-1", "LVM-abc");
  EXPECT_FALSE(reaches("/dev/dm-0 partition\t1\t0\t-2\n"));
  EXPECT_TRUE(reaches("/dev/dm-1 partition\t1\t0\t-2\n"));
  boost::filesystem::create_directories(block_ / "dm-1/slaves");
  boost::filesystem::create_symlink(block_ / "dm-0", block_ / "dm-1/slaves/dm-0");
  EXPECT_FALSE(reaches("/dev/dm-1 partition\t1\t0\t-2\n"));
  EXPECT_TRUE(reaches("/dev/dm-0 partition\t1\t0\t-2\n/dev/sda2 partition\t1\t0\t-3\n"));
}

}  // namespace
}  // namespace base
