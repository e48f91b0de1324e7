// Every file of tests/vectors/age: the stage at which it fails, the fault, and each byte that comes out before.
#include "keys/age_file.h"
#include "keys/age_stream.h"
#include "keys/kdf.h"
#include "tests/testkit/age_vector.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace {

using base::Bytes;
using base::ByteView;
using base::Fault;
using testkit::AgeVector;
using testkit::must;
using testkit::secret;

constexpr std::size_t kListed = 106;  // fewer files fail: a vector that is lost must not pass silently

std::string_view name_of(Fault fault) {
  return fault == Fault::damaged ? "damaged" : fault == Fault::denied ? "denied" : "another fault";
}

struct Outcome {
  std::string expect;
  Bytes released;
};

Outcome failed(const base::Error& error, std::string_view stage, Bytes released = {}) {
  return {std::string(name_of(error.fault)) + " at " + std::string(stage), std::move(released)};
}

base::Result<base::SecretBytes> unwrap(const AgeVector& v, const keys::ParsedHeader& parsed) {
  if (v.identity.empty()) return keys::unwrap_with_passphrase(secret(v.passphrase), v.file, parsed);
  return must(keys::Identity::parse(secret(v.identity))).unwrap(v.file, parsed);
}

// As the vault opens a recording: header, file key, MAC, last chunk, then chunk by chunk.
Outcome open(const AgeVector& v, base::Fd file) {
  const auto parsed = keys::parse_age_header(v.file);
  if (!parsed) return failed(parsed.error(), "header");
  const auto file_key = unwrap(v, *parsed);
  if (!file_key) return failed(file_key.error(), file_key.error().what.starts_with("mac") ? "mac" : "unwrap");
  auto reader = keys::StreamReader::open(*file_key, std::move(file), parsed->size);
  if (!reader) return failed(reader.error(), "open");
  Bytes out;
  Bytes chunk(keys::kChunk);
  while (out.size() < reader->size()) {
    const auto n = reader->read(out.size(), chunk);
    if (!n) return failed(n.error(), "payload", std::move(out));
    base::put_raw(out, ByteView(chunk).first(*n));
  }
  return {"opens", std::move(out)};
}

class Vectors : public ::testing::Test {
 protected:
  base::Fd file_of(const AgeVector& v) {
    testkit::put_file(folder_ / "f", v.file);
    return must(base::open_to_read(folder_ / "f"));
  }
  const std::vector<std::string> names_ = must(base::list_folder(testkit::age_vector_folder()));

 private:
  testkit::TempFolder folder_;
};

TEST_F(Vectors, NoneIsLost) { EXPECT_EQ(names_.size(), kListed); }

TEST_F(Vectors, EachFailsAtItsStageAndReleasesNoByteMore) {
  for (const std::string& name : names_) {
    const AgeVector v = testkit::read_age_vector(name);
    const Outcome outcome = open(v, file_of(v));
    EXPECT_EQ(outcome.expect, v.expect) << name << ": " << v.comment;
    EXPECT_EQ(std::to_string(outcome.released.size()) + " bytes, sha256 " + base::hex(keys::sha256(outcome.released)),
              v.released)
        << name;
  }
}

// The forward pass sees the end last, so it may release more, but never opens what the reader refuses.
TEST_F(Vectors, EachEndsTheSameInOneForwardPass) {
  for (const std::string& name : names_) {
    const AgeVector v = testkit::read_age_vector(name);
    const auto identity = v.identity.empty() ? keys::Identity::generate() : keys::Identity::parse(secret(v.identity));
    const keys::OpenWith with{&*identity, [&]() -> base::Result<base::SecretBytes> { return secret(v.passphrase); }};
    const auto r = keys::open_age_file(file_of(v), with, [](ByteView) -> base::Result<void> { return {}; });
    const std::string outcome(r ? "opens" : name_of(r.error().fault));
    EXPECT_EQ(outcome, v.expect.substr(0, v.expect.find(' '))) << name << ": " << v.comment;
  }
}

}  // namespace
