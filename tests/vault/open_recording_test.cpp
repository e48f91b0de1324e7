#include "vault/open_recording.h"

#include <unistd.h>

#include <algorithm>

#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_vault.h"
#include "vault/customer.h"

namespace vault {
namespace {

using base::Bytes, base::Fault;
using testkit::must, testkit::TempVault;

// Edits that make the catalogue say something else than the ingest record; {id}: the recording, {other}: its neighbour.
struct Edit {
  const char* name;
  const char* sql;
};
void PrintTo(const Edit& edit, std::ostream* out) { *out << edit.name; }

std::string filled(std::string text, const std::string& id, const std::string& other) {
  for (const auto& [mark, value] : {std::pair<std::string, std::string>{"{id}", id}, {"{other}", other}})
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark)) text.replace(at, mark.size(), value);
  return text;
}

std::string file_name(const ::testing::TestParamInfo<Edit>& test) { return test.param.name; }

class EditedRecord : public ::testing::TestWithParam<Edit> {};

TEST_P(EditedRecord, IsDamagedForEverybody) {
  TempVault v;
  must(add_customer(*v, v.actor(), "other", "", 0));
  const auto id = v.recording(1);
  const auto other = v.recording(2, 4000);
  v.sql(filled(GetParam().sql, id, other));
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.it_manager()));
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.recovery()));
  EXPECT_FAULT(Fault::damaged, verify_object(*v, must(v->catalog().recording(id))));
  for (const char* customer : {"acme", "other"}) {
    DeliveryRequest request;
    request.customer = customer;
    request.recordings = {id};
    EXPECT_FAULT(Fault::damaged, deliver(*v, v.actor(), request));
  }
  EXPECT_EQ(v.sql("SELECT count(*) FROM access"), "0");
  EXPECT_NE(v.damage(false).find(id), std::string::npos);
  EXPECT_NE(v.damage(true).find(id), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Column, EditedRecord,
    ::testing::Values(
        Edit{"klass", "UPDATE recording SET class = 'own', customer = NULL WHERE id = '{id}'"},
        Edit{"customer", "UPDATE recording SET customer = 'other' WHERE id = '{id}'"},
        Edit{"category", "UPDATE recording SET category = 'message' WHERE id = '{id}'"},
        Edit{"call_time", "UPDATE recording SET call_time = call_time + 1 WHERE id = '{id}'"},
        Edit{"size", "UPDATE recording SET size = size - 1 WHERE id = '{id}'"},
        Edit{"slot", "UPDATE recording SET slot = slot + 100 WHERE id = '{id}'"},
        Edit{"slot_negative", "UPDATE recording SET slot = -1 WHERE id = '{id}'"},
        Edit{"slots_swapped",
             "CREATE TEMP TABLE t AS SELECT id, slot FROM recording; UPDATE recording SET slot = slot + "
             "1000; UPDATE recording SET slot = (SELECT slot FROM t WHERE t.id <> recording.id)"},
        Edit{"record_empty", "UPDATE recording SET record = '' WHERE id = '{id}'"},
        Edit{"record_of_another",
             "UPDATE recording SET record = (SELECT record FROM recording WHERE id = '{other}') WHERE id = '{id}'"},
        Edit{"record_edited", "UPDATE recording SET record = replace(record, 'inbound', 'inbounx') WHERE id = '{id}'"},
        Edit{"record_and_column_edited",
             "UPDATE recording SET record = replace(record, 'inbound', 'message'), category = 'message' WHERE id = "
             "'{id}'"},
        Edit{"record_without_signature",
             "UPDATE recording SET record = substr(record, 1, instr(record, char(10) || char(10))) WHERE id = '{id}'"}),
    file_name);

class EditedContent : public ::testing::TestWithParam<Edit> {};

TEST_P(EditedContent, IsDamagedAndNotDelivered) {
  TempVault v;
  const auto id = v.recording(1);
  const auto other = v.recording(2, 4000);
  v.sql(filled(GetParam().sql, id, other));
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.it_manager()));
  DeliveryRequest request;
  request.customer = "acme";
  request.recordings = {id};
  EXPECT_FAULT(Fault::damaged, deliver(*v, v.actor(), request));
}

// The header rows: which is whose can only be told with an identity.
INSTANTIATE_TEST_SUITE_P(
    Header, EditedContent,
    ::testing::Values(
        Edit{"swapped_between_recordings",
             "CREATE TEMP TABLE t AS SELECT * FROM header; UPDATE header SET sealed = (SELECT sealed FROM t WHERE "
             "t.recording <> header.recording AND t.recipient = header.recipient)"},
        Edit{"of_another_recipient",
             "CREATE TEMP TABLE t AS SELECT * FROM header; UPDATE header SET sealed = (SELECT sealed FROM t WHERE "
             "t.recording = header.recording AND t.recipient <> header.recipient)"},
        Edit{"flipped",
             "UPDATE header SET sealed = replace(sealed, substr(sealed, 9, 1), CASE WHEN substr(sealed, 9, 1) = "
             "'A' THEN 'B' ELSE 'A' END) WHERE recording = '{id}'"},
        Edit{"cut", "UPDATE header SET sealed = substr(sealed, 1, 40) WHERE recording = '{id}'"},
        Edit{"empty", "UPDATE header SET sealed = '' WHERE recording = '{id}'"},
        Edit{"no_base64", "UPDATE header SET sealed = '*' || sealed WHERE recording = '{id}'"}),
    file_name);

INSTANTIATE_TEST_SUITE_P(
    Metadata, EditedContent,
    ::testing::Values(Edit{"of_another_recording",
                           "UPDATE metadata SET payload = (SELECT payload FROM metadata WHERE recording = "
                           "'{other}') WHERE recording = '{id}'"},
                      Edit{"missing", "DELETE FROM metadata WHERE recording = '{id}'"},
                      Edit{"cut", "UPDATE metadata SET payload = substr(payload, 1, 80) WHERE recording = '{id}'"},
                      Edit{"empty", "UPDATE metadata SET payload = '' WHERE recording = '{id}'"},
                      Edit{"no_base64", "UPDATE metadata SET payload = '=' || payload WHERE recording = '{id}'"}),
    file_name);

TEST(OpenRecording, OpensForEveryRoleThatHasAHeader) {
  TempVault v;
  const auto id = v.recording(1);
  EXPECT_EQ(must(v.read(id, v.it_manager())), testkit::wav(3000, 1));
  EXPECT_EQ(must(v.read(id, v.recovery())), testkit::wav(3000, 1));
  const auto opened = must(open_recording(*v, id, v.it_manager()));
  EXPECT_EQ(opened.metadata.name, "call-1.wav");
  EXPECT_EQ(opened.metadata.customer, "acme");
  EXPECT_OK(verify_audio(*v, opened));
  EXPECT_OK(verify_object(*v, opened.row));
  EXPECT_EQ(v.damage(), "");
}

TEST(OpenRecording, AStrangersIdentityIsDenied) {
  TempVault v;
  const auto id = v.recording(1);
  EXPECT_FAULT(Fault::denied, open_recording(*v, id, must(keys::Identity::generate())));
  EXPECT_FAULT(Fault::denied, recognise(*v, must(keys::Identity::generate())));
}

TEST(OpenRecording, UnknownOnesAreNotFound) {
  TempVault v;
  for (const std::string id : {"r-0000000000000000", "", "r-1' OR '1'='1", "../../catalog.db"})
    EXPECT_FAULT(Fault::not_found, open_recording(*v, id, v.it_manager())) << id;
}

TEST(OpenRecording, AMissingHeaderIsDeniedAndDamageForCheck) {
  TempVault v;
  const auto id = v.recording(1);
  v.sql("DELETE FROM header WHERE recipient = '" + v.actor().holder.recipient_id() + "'");
  EXPECT_FAULT(Fault::denied, open_recording(*v, id, v.it_manager()));
  EXPECT_OK(open_recording(*v, id, v.recovery()));
  EXPECT_NE(v.damage(false), "");
}

// A record in perfect form, signed by a key that the vault does not trust.
TEST(OpenRecording, ARecordThatAnotherKeySignedIsDamaged) {
  TempVault v;
  const auto id = v.recording(1);
  const auto record = must(verified_record(*v, must(v->catalog().recording(id))));
  const auto forger =
      must(keys::NoteSigner::create(v->service().verifier().name(), testkit::secret_of(32, 7)));  // the very name
  v.sql("UPDATE recording SET record = '" + must(sign_record(record, forger)) + "'");
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.it_manager()));
  v.sql("UPDATE recording SET record = '" + must(sign_record(record, v.actor().signer)) + "'");
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.it_manager()));
  v.sql("UPDATE recording SET record = '" + must(sign_record(record, v->service())) + "'");
  EXPECT_OK(open_recording(*v, id, v.it_manager()));
}

// A header that opens, made by somebody who knows the erase secret, for a key that is not the recording's.
TEST(OpenRecording, AHeaderWithAnotherFileKeyIsDamaged) {
  TempVault v;
  const auto id = v.recording(1);
  const auto holder = v.actor().holder;
  const auto secret = must(v->slots().read(must(v->catalog().recording(id)).columns.slot));
  const auto header = must(keys::header_for(holder.recipient, testkit::secret_of(keys::kFileKey, 3)));
  const auto sealed = must(keys::seal_header({id, holder.recipient_id()}, secret, nullptr, header));
  v.sql("UPDATE header SET sealed = '" + base::base64(sealed) + "' WHERE recipient = '" + holder.recipient_id() + "'");
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.it_manager()));
}

TEST(OpenRecording, AnErasedSecretIsDamaged) {
  TempVault v;
  const auto id = v.recording(1);
  const auto other = v.recording(2);
  must(v->slots().erase({must(v->catalog().recording(id)).columns.slot}));
  EXPECT_FAULT(Fault::damaged, open_recording(*v, id, v.it_manager()));
  EXPECT_TRUE(v.whole(other));
  EXPECT_NE(v.damage(false).find(id), std::string::npos);
}

// The stored objects.
class EditedObject : public ::testing::Test {
 protected:
  base::Path path(const std::string& which) { return v.folder() / "objects" / which.substr(2, 2) / which; }
  Bytes content(const std::string& which) { return must(base::read_file(path(which), 1 << 24)); }

  // No byte that differs from the recording may come out, and check must see it.
  void expect_damaged() {
    const auto opened = must(open_recording(*v, id, v.it_manager()));
    auto audio = open_audio(*v, opened);
    if (audio) {
      const Bytes plain = testkit::wav(kSamples, 1);
      bool failed = false;
      for (std::size_t at = 0; at < plain.size() && !failed; at += keys::kChunk) {
        Bytes piece(std::min(keys::kChunk, plain.size() - at));
        failed = !audio->read(at, piece);
        EXPECT_TRUE(failed || std::ranges::equal(piece, std::span(plain).subspan(at, piece.size())));
      }
      EXPECT_TRUE(failed);
    } else {
      EXPECT_EQ(audio.error().fault, Fault::damaged);
    }
    EXPECT_FAULT(Fault::damaged, verify_audio(*v, opened));
    EXPECT_FAULT(Fault::damaged, verify_object(*v, opened.row));
    EXPECT_NE(v.damage(true).find(id), std::string::npos);
  }

  static constexpr std::size_t kSamples = 200'000;  // four chunks
  TempVault v;
  std::string id = v.recording(1, kSamples), other = v.recording(2, kSamples);
};

TEST_F(EditedObject, OfAnotherRecording) {
  testkit::put_file(path(id), content(other));
  expect_damaged();
}

TEST_F(EditedObject, Missing) {
  must(base::system_files().remove(path(id)));
  expect_damaged();
  EXPECT_NE(v.damage(false).find(id), std::string::npos);
}

TEST_F(EditedObject, Empty) {
  testkit::put_file(path(id), {});
  expect_damaged();
  EXPECT_NE(v.damage(false).find(id), std::string::npos);
}

TEST_F(EditedObject, MetadataPayloadInItsPlace) {
  testkit::put_file(path(id), must(base::unbase64(must(v->catalog().metadata(id)).value())));
  expect_damaged();
}

TEST_F(EditedObject, CutAtManyPlaces) {
  const Bytes whole = content(id);
  for (const std::size_t size :
       {whole.size() - 1, whole.size() - 16, 3 * keys::kSealedChunk + 16, 2 * keys::kSealedChunk + 16,
        keys::kSealedChunk + 16, std::size_t{17}, std::size_t{16}, std::size_t{1}}) {
    SCOPED_TRACE(size);
    testkit::put_file(path(id), std::span(whole).first(size));
    expect_damaged();
  }
}

TEST_F(EditedObject, Extended) {
  Bytes longer = content(id);
  longer.push_back(std::byte{0});
  testkit::put_file(path(id), longer);
  expect_damaged();
}

TEST_F(EditedObject, ABitFlippedAtManyPlaces) {
  const Bytes whole = content(id);
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{15}, std::size_t{16}, std::size_t{5000}, keys::kSealedChunk + 15,
        keys::kSealedChunk + 16, 2 * keys::kSealedChunk + 77, whole.size() - 17, whole.size() - 1}) {
    SCOPED_TRACE(at);
    Bytes flipped = whole;
    flipped[at] ^= std::byte{0x10};
    testkit::put_file(path(id), flipped);
    expect_damaged();
  }
}

TEST_F(EditedObject, ChunksSwapped) {
  Bytes swapped = content(id);
  std::swap_ranges(swapped.begin() + 16, swapped.begin() + 16 + keys::kSealedChunk,
                   swapped.begin() + 16 + keys::kSealedChunk);
  testkit::put_file(path(id), swapped);
  expect_damaged();
}

TEST_F(EditedObject, ALinkToAnotherOne) {
  must(base::system_files().remove(path(id)));
  ASSERT_EQ(::symlink(path(other).c_str(), path(id).c_str()), 0);
  const auto opened = must(open_recording(*v, id, v.it_manager()));
  EXPECT_FALSE(open_audio(*v, opened));
  EXPECT_NE(v.damage(true).find(id), std::string::npos);
}

// Tech Managers.
class TechManager : public ::testing::Test {
 protected:
  TempVault v;
  std::string before = v.recording(1);  // from a time when there was none
  keys::Identity tech = v.add_tech_manager();
  std::string held = v.recording(2), ours = v.recording(3, 3000, "");
};

TEST_F(TechManager, OpensClassCustomer) { EXPECT_EQ(must(v.read(held, tech)), testkit::wav(3000, 2)); }

TEST_F(TechManager, DoesNotOpenClassOwn) {
  EXPECT_FAULT(Fault::denied, open_recording(*v, ours, tech));
  EXPECT_EQ(must(v->catalog().recipients_of(ours)).size(), 2U);  // no header for that key exists
  EXPECT_TRUE(v.whole(ours));
}

// Also not when the row of another recipient is renamed to it, or the class is edited.
TEST_F(TechManager, DoesNotOpenClassOwnByEditedRows) {
  const std::string recipient = v->roster().with(keys::Role::tech_manager).front().recipient_id();
  v.sql("UPDATE header SET recipient = '" + recipient + "' WHERE recording = '" + ours + "' AND recipient = '" +
        v.actor().holder.recipient_id() + "'");
  EXPECT_FALSE(open_recording(*v, ours, tech));
  v.sql("UPDATE recording SET class = 'customer', customer = 'acme' WHERE id = '" + ours + "'");
  EXPECT_FAULT(Fault::damaged, open_recording(*v, ours, tech));
}

TEST_F(TechManager, DeliversClassCustomerOnly) {
  const auto actor = must(recognise(*v, std::move(tech)));
  DeliveryRequest request;
  request.customer = "acme";
  request.recordings = {held};
  EXPECT_OK(deliver(*v, actor, request));
  request.recordings = {ours};
  EXPECT_FAULT(Fault::denied, deliver(*v, actor, request));
}

TEST_F(TechManager, NeedsTheSigningKeyOfTheRoster) {
  EXPECT_FAULT(Fault::denied, recognise(*v, must(keys::Identity::from_secret(testkit::secret_of(32, 5)))));
}

}  // namespace
}  // namespace vault
