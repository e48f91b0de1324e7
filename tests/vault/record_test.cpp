#include "vault/record.h"

#include <functional>

#include "tests/testkit/expect.h"

namespace {

using base::Fault;
using vault::Columns;
using vault::compare;
using vault::Metadata;
using vault::Record;
using vault::sign_record;
using vault::verify_record;

keys::NoteSigner signer(char seed = 's') {
  std::string bytes(32, seed);
  return testkit::must(keys::NoteSigner::create("service", testkit::must(base::SecretBytes::take(bytes))));
}

Record example() {
  Record r;
  r.columns = {"r-1", "customer", "acme", "inbound", 1795339815, 240044, 7};
  r.object_sha256 = std::string(64, 'a');
  r.metadata_sha256 = std::string(64, 'b');
  r.metadata_version = 1;
  r.commitment = base::Bytes(32, std::byte{9});
  return r;
}

Metadata metadata_of(const Record& r) {
  Metadata m;
  m.recording = r.columns.recording;
  m.klass = r.columns.klass;
  m.customer = r.columns.customer;
  m.category = r.columns.category;
  m.call_time = r.columns.call_time;
  m.size = r.columns.size;
  m.version = r.metadata_version;
  return m;
}

constexpr std::string_view kText =
    "callvault/v1/record\n"
    "recording: r-1\n"
    "class: customer\n"
    "customer: acme\n"
    "category: inbound\n"
    "call-time: 2026-11-22T09:30:15Z\n"
    "size: 240044\n"
    "slot: 7\n"
    "object: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
    "metadata: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
    "metadata-version: 1\n"
    "commitment: CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kText);
  const auto at = text.find(from);
  if (at == std::string::npos) std::abort();
  return text.replace(at, from.size(), to);
}

// What the service key itself signed, however wrong: only the form can refuse it.
base::Result<Record> verify_signed(const std::string& text) {
  const auto service = signer();
  return verify_record(testkit::must(service.sign(text)), {service.verifier()});
}

TEST(Record, IsTheDocumentedText) {
  const auto note = testkit::must(sign_record(example(), signer()));
  EXPECT_TRUE(note.starts_with(std::string(kText) + "\n")) << note;
}

TEST(Record, IsReadBack) {
  auto own = example();
  own.columns.klass = "own";
  own.columns.customer = "";
  for (const auto& record : {example(), own}) {
    const auto service = signer();
    const auto again = testkit::must(verify_record(testkit::must(sign_record(record, service)), {service.verifier()}));
    EXPECT_EQ(again.columns, record.columns);
    EXPECT_EQ(again.object_sha256, record.object_sha256);
    EXPECT_EQ(again.metadata_sha256, record.metadata_sha256);
    EXPECT_EQ(again.metadata_version, record.metadata_version);
    EXPECT_EQ(again.commitment, record.commitment);
  }
}

TEST(Record, AnotherKeyIsDenied) {
  const auto note = testkit::must(sign_record(example(), signer('x')));
  EXPECT_FAULT(Fault::denied, verify_record(note, {signer().verifier()}));
}

TEST(Record, EveryFlippedBitIsRefused) {
  const auto service = signer();
  const auto note = testkit::must(sign_record(example(), service));
  for (std::size_t i = 0; i < note.size(); ++i) {
    auto flipped = note;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(verify_record(flipped, {service.verifier()})) << "byte " << i;
  }
}

TEST(RecordVerifier, WhatItKnowsChangesNoAnswer) {
  vault::RecordVerifier verifier({signer().verifier()});
  Record r = example();
  const std::string first = testkit::must(sign_record(r, signer()));
  for (std::size_t i = 0; i < vault::RecordVerifier::kMostKnown + 10; ++i) {
    r.columns.slot = i;
    const std::string note = testkit::must(sign_record(r, signer()));
    for (int again = 0; again < 2; ++again)
      EXPECT_EQ(testkit::must(verifier.verify(note)).columns,
                testkit::must(verify_record(note, {signer().verifier()})).columns);
    std::string flipped = note;
    flipped[note.size() - 10] ^= 1;  // in the signature, behind a text that is known
    EXPECT_FAULT(Fault::damaged, verifier.verify(flipped));
  }
  EXPECT_EQ(testkit::must(verifier.verify(first)).columns, example().columns);
  EXPECT_FAULT(Fault::denied, verifier.verify(testkit::must(sign_record(r, signer('x')))));
}

TEST(Record, TheTextAloneIsRefused) { EXPECT_FAULT(Fault::damaged, verify_record(kText, {signer().verifier()})); }

TEST(Record, ASignedTextOfAnotherFormIsRefused) {
  ASSERT_OK(verify_signed(std::string(kText)));
  for (const auto& text : {with("v1/record", "v2/record"),
                           with("v1/record", "v1/checkpoint"),
                           with("slot: 7\n", ""),
                           with("slot: 7\n", "slot: 7\nslot: 7\n"),
                           with("slot: 7\n", "slot: 8\nslot: 7\n"),
                           with("slot: 7", "slot: 07"),
                           with("slot: 7", "slot: -7"),
                           with("slot: 7", "slot: "),
                           with("slot: 7", "slot: 18446744073709551616"),
                           with("slot: 7\n", "slot: 7\nextra: 1\n"),
                           with("class: customer", "class: other"),
                           with("class: customer", "class: own"),
                           with("customer: acme", "customer: "),
                           with("recording: r-1", "recording: "),
                           with("category: inbound", "category: "),
                           with("a\n", "A\n"),
                           with("metadata: b", "metadata: "),
                           with("2026-11-22", "2026-11-32"),
                           with("Z\n", "\n"),
                           with("CQkJ", "CQk"),
                           with("CQkJCQkJ", "CQkJ"),
                           with("size: 240044\nslot: 7\n", "slot: 7\nsize: 240044\n")})
    EXPECT_FAULT(Fault::damaged, verify_signed(text)) << text;
}

TEST(Record, WhatCouldNotBeReadBackIsNotSigned) {
  const std::function<void(Record&)> damages[] = {
      [](Record& r) { r.columns.recording = ""; },     [](Record& r) { r.columns.recording = "a\nslot: 9"; },
      [](Record& r) { r.columns.category = "a\x7f"; }, [](Record& r) { r.columns.category = ""; },
      [](Record& r) { r.columns.klass = "other"; },    [](Record& r) { r.columns.klass = "own"; },
      [](Record& r) { r.columns.customer = ""; },      [](Record& r) { r.columns.call_time = 1LL << 60; },
      [](Record& r) { r.object_sha256.pop_back(); },   [](Record& r) { r.metadata_sha256[0] = 'G'; },
      [](Record& r) { r.commitment.pop_back(); }};
  for (const auto& damage : damages) {
    auto record = example();
    damage(record);
    EXPECT_FAULT(Fault::usage, sign_record(record, signer())) << &damage - damages;
  }
}

TEST(Record, EqualColumnsCompare) {
  EXPECT_OK(compare(example(), example().columns));
  EXPECT_OK(compare(example(), metadata_of(example())));
}

TEST(Record, EveryEditedColumnIsFoundAndNamedWithoutItsValue) {
  const std::pair<const char*, std::function<void(Columns&)>> edits[] = {
      {"recording", [](Columns& c) { c.recording = "evil"; }},
      {"class", [](Columns& c) { c.klass = "evil"; }},
      {"customer", [](Columns& c) { c.customer = "evil"; }},
      {"category", [](Columns& c) { c.category = "evil"; }},
      {"call time", [](Columns& c) { c.call_time += 666; }},
      {"size", [](Columns& c) { c.size += 666; }},
      {"slot", [](Columns& c) { c.slot += 666; }}};
  for (const auto& [field, edit] : edits) {
    auto columns = example().columns;
    edit(columns);
    const auto result = compare(example(), columns);
    ASSERT_TRUE(testkit::is_fault(result, Fault::damaged)) << field;
    EXPECT_NE(result.error().what.find(field), std::string::npos) << result.error().what;
    EXPECT_EQ(result.error().what.find("evil"), std::string::npos);
    EXPECT_EQ(result.error().what.find("acme"), std::string::npos);
  }
}

TEST(Record, EveryEditedFieldOfTheMetadataIsFound) {
  const std::pair<const char*, std::function<void(Metadata&)>> edits[] = {
      {"recording", [](Metadata& m) { m.recording = "evil"; }}, {"class", [](Metadata& m) { m.klass = "evil"; }},
      {"customer", [](Metadata& m) { m.customer = "evil"; }},   {"category", [](Metadata& m) { m.category = "evil"; }},
      {"call time", [](Metadata& m) { m.call_time += 666; }},   {"size", [](Metadata& m) { m.size += 666; }},
      {"version", [](Metadata& m) { m.version += 1; }}};
  for (const auto& [field, edit] : edits) {
    auto metadata = metadata_of(example());
    edit(metadata);
    const auto result = compare(example(), metadata);
    ASSERT_TRUE(testkit::is_fault(result, Fault::damaged)) << field;
    EXPECT_NE(result.error().what.find(field), std::string::npos) << result.error().what;
  }
}

}  // namespace
