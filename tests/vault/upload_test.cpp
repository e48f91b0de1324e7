#include "vault/upload.h"

#include <boost/filesystem/operations.hpp>

#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/customer.h"
#include "vault/open_recording.h"

namespace vault {
namespace {

using base::Fault;
using testkit::FaultyFiles;
using testkit::must, testkit::TempVault, testkit::wav;

class UploadTest : public ::testing::Test {
 protected:
  UploadTest() { add("pbx-1", "acme"); }

  void add(const std::string& name, const std::string& customer) {
    base::Bytes blob;
    base::put_string(blob, "ssh-ed25519");
    base::put_string(blob, base::Bytes(32, std::byte{1}));
    must(add_recorder(*v, v.actor(),
                      {name, must(SshKey::from_blob(blob)), customer.empty() ? "own" : "customer", customer, ""}));
  }
  RecorderRow recorder(const std::string& name = "pbx-1") { return must(v->catalog().recorder(name)).value(); }
  base::Result<void> put(const std::string& path, base::ByteView content, const std::string& by = "pbx-1") {
    auto upload = Upload::begin(*v);
    if (!upload) return upload.error();
    for (; !content.empty(); content = content.subspan(std::min<std::size_t>(content.size(), 10'000)))
      if (auto r = upload->add(*v, content.first(std::min<std::size_t>(content.size(), 10'000))); !r) {
        upload->drop(*v);
        return r;
      }
    auto held = upload->hold(*v, recorder(by), path);
    if (!held) upload->drop(*v);
    return held;
  }
  std::string only_id() { return v.sql("SELECT id FROM recording"); }
  std::size_t objects() { return must(v->store().ids()).size() + must(v->store().incoming()).size(); }

  TempVault v;
};

TEST_F(UploadTest, IsWholeAndSaysWhatItsNameSays) {
  const auto sound = wav(150'000);
  must(put("2026/11/in-02079460123-07700900123-20261101-090000-1793523600.1.wav", sound));
  const std::string id = only_id();
  EXPECT_TRUE(v.whole(id));
  EXPECT_EQ(must(v.read(id, v.it_manager())), sound);
  const auto opened = must(open_recording(*v, id, v.it_manager()));
  EXPECT_EQ(opened.metadata.name, "in-02079460123-07700900123-20261101-090000-1793523600.1.wav");
  EXPECT_EQ(opened.metadata.convention, "freepbx");
  EXPECT_EQ(opened.metadata.from, "07700900123");
  EXPECT_EQ(opened.row.columns.customer, "acme");
  EXPECT_EQ(opened.row.columns.category, "inbound");
  EXPECT_EQ(opened.row.quarantine, "");
  EXPECT_TRUE(must(v->store().incoming()).empty());
  EXPECT_EQ(v.damage(), "");
  EXPECT_FALSE(v.holds(base::ByteView(sound).subspan(100'000, 64))) << "no byte in the clear";
  EXPECT_NE(v.sql("SELECT leaf FROM audit ORDER BY seq DESC LIMIT 1").find("pbx-1"), std::string::npos);
}

TEST_F(UploadTest, TheSameAgainIsHeldOnce) {
  const auto sound = wav(5000);
  must(put("a.wav", sound));
  must(put("a.wav", sound));
  EXPECT_EQ(v.sql("SELECT COUNT(*) FROM recording"), "1");
  EXPECT_EQ(objects(), 1u);
  must(put("b.wav", sound));
  must(put("a.wav", wav(5000, 2)));
  add("pbx-2", "acme");
  must(put("a.wav", sound, "pbx-2"));
  EXPECT_EQ(v.sql("SELECT COUNT(*) FROM recording"), "4") << "another path, content or recorder is another recording";
  EXPECT_EQ(v.damage(), "");
}

// The recorder deletes its file next: a copy that is lost or damaged must not take the place of the good one.
TEST_F(UploadTest, WhatRepeatsADamagedOneIsHeldBesideIt) {
  const auto sound = wav(5000);
  must(put("a.wav", sound));
  const std::string first = only_id();
  must(v->store().remove({first}));
  must(put("a.wav", sound));
  const std::string second = v.sql("SELECT id FROM recording WHERE id <> '" + first + "'");
  EXPECT_EQ(must(v.read(second, v.it_manager())), sound);
  EXPECT_NE(v.damage().find(first), std::string::npos);
  EXPECT_EQ(v.damage().find(second), std::string::npos) << v.damage();
}

TEST_F(UploadTest, ALongOneLeavesRoomOnTheDisk) {
  auto upload = must(Upload::begin(*v));
  const base::Bytes much(std::size_t{16} << 20);
  EXPECT_OK(upload.add(*v, base::ByteView(much).first(much.size() - 1)));
  const base::Path config = v.folder() / "callvault.toml";
  auto text = base::to_text(must(base::read_file(config, 1 << 20)));
  const auto at = text.find("free_mib = 256");
  ASSERT_NE(at, std::string::npos);
  testkit::put_file(config, base::as_bytes(text.replace(at, 14, "free_mib = 1048576")));
  v.reopen();
  EXPECT_FAULT(Fault::busy, upload.add(*v, base::ByteView(much).first(1)));
  EXPECT_FALSE(upload.hold(*v, recorder(), "a.wav"));
  upload.drop(*v);
  EXPECT_EQ(objects(), 0u);
}

TEST_F(UploadTest, WhatIsDroppedLeavesNothing) {
  auto upload = must(Upload::begin(*v));
  must(upload.add(*v, wav(200'000)));
  EXPECT_EQ(objects(), 1u);
  upload.drop(*v);
  EXPECT_EQ(objects(), 0u);
  EXPECT_FALSE(upload.add(*v, wav(10)));
  EXPECT_FALSE(upload.hold(*v, recorder(), "a.wav"));
  EXPECT_EQ(only_id(), "");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(UploadTest, WhatIsNoRecordingIsQuarantinedAndNeverDropped) {
  auto cut = wav(5000);
  cut.resize(3000);
  must(put("cut.wav", cut));
  must(put("empty.wav", {}));
  must(put("header.wav", base::ByteView(wav(0)).first(44)));
  must(put("notes.txt", base::as_bytes("hello")));
  EXPECT_EQ(v.sql("SELECT COUNT(*) FROM recording WHERE state = 'sealed' AND quarantine <> ''"), "4");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(UploadTest, NamesFullOfControlCharactersAndMarkupAreSealed) {
  const std::string name = "a/\x1b[31m<script>\n=cmd()\x07\xff.wav";
  must(put(name, wav(2000)));
  const auto opened = must(open_recording(*v, only_id(), v.it_manager()));
  EXPECT_EQ(opened.metadata.name, "\x1b[31m<script>\n=cmd()\x07\xef\xbf\xbd.wav");
  EXPECT_FALSE(v.holds(base::as_bytes("<script>")));
  EXPECT_EQ(v.damage(), "");
}

TEST_F(UploadTest, ARecorderThatWasRemovedHoldsNothingMore) {
  const auto row = recorder();
  auto upload = must(Upload::begin(*v));
  must(upload.add(*v, wav(2000)));
  must(remove_recorder(*v, v.actor(), "pbx-1"));
  const auto before = v.sql("SELECT COUNT(*) FROM audit");
  EXPECT_FAULT(Fault::denied, upload.hold(*v, row, "a.wav"));
  upload.drop(*v);
  EXPECT_EQ(only_id(), "");
  EXPECT_EQ(objects(), 0u);
  EXPECT_EQ(v.sql("SELECT COUNT(*) FROM audit"), before);
}

TEST_F(UploadTest, NorDoesOneOfACustomerThatWasClosed) {
  must(close_customer(*v, v.actor(), "acme"));
  EXPECT_FAULT(Fault::denied, put("a.wav", wav(2000)));
  EXPECT_EQ(only_id(), "");
  EXPECT_EQ(objects(), 0u);
}

TEST_F(UploadTest, IngestOfFilesBesideItLeavesItAlone) {
  auto upload = must(Upload::begin(*v));
  must(upload.add(*v, wav(2000)));
  v.recording(7);
  must(drop_unfinished(*v));
  EXPECT_EQ(v.damage(), "");
  must(upload.hold(*v, recorder(), "a.wav"));
  EXPECT_EQ(v.sql("SELECT COUNT(*) FROM recording WHERE state = 'sealed'"), "2");
  EXPECT_EQ(v.damage(), "");
}

TEST_F(UploadTest, AHeldOneIsFoundBeforeItHasMoved) {
  const auto sound = wav(5000);
  must(put("a.wav", sound));
  const std::string id = only_id();
  const base::Path from = v.folder() / "objects" / id.substr(2, 2) / id;
  const base::Path to = v.folder() / "objects" / "incoming" / id;
  boost::filesystem::rename(from, to);
  EXPECT_TRUE(v.whole(id));
  EXPECT_EQ(v.damage(), "");
  must(finish_uploads(*v));
  EXPECT_FALSE(base::exists(to));
  EXPECT_TRUE(v.whole(id));
}

// File call k fails, and what was not synced is lost: whatever the recorder was told, the truth is no less.
TEST_F(UploadTest, EveryInterruptionHoldsItWholeOrNotAtAll) {
  const auto sound = wav(100'000);
  must(put("first.wav", wav(100)));  // the folders are there
  const auto saved = v.save();
  bool finished = false;
  for (int k = 0; !finished; ++k) {
    ASSERT_LT(k, 100);
    v.put_back(saved);
    bool told = false;
    {
      FaultyFiles faulty(k, FaultyFiles::Loss::unsynced_is_lost);
      v.reopen(faulty);
      told = static_cast<bool>(put("a.wav", sound));
      finished = !faulty.reached();
      v.close();
    }
    v.reopen();
    must(finish_uploads(*v));
    EXPECT_EQ(v.damage(), "") << "cut at call " << k;
    EXPECT_EQ(must(v->store().incoming()).size(), 0u) << "cut at call " << k;
    const std::string count = v.sql("SELECT COUNT(*) FROM recording");
    EXPECT_EQ(objects(), count == "2" ? 2u : 1u) << "cut at call " << k;
    if (told) {
      EXPECT_EQ(count, "2") << "the recorder may have deleted its copy; cut at call " << k;
    }
    must(put("a.wav", sound));  // it sends again
    EXPECT_EQ(v.sql("SELECT COUNT(*) FROM recording"), "2") << "cut at call " << k;
    EXPECT_EQ(v.damage(), "") << "cut at call " << k;
  }
}

}  // namespace
}  // namespace vault
