// Step 2 of 7: seal. One recording: a file key of its own, the object under it, a header for each recipient, the
// metadata as a second payload, and the record that the service key signs over all of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "keys/age_stream.h"
#include "keys/roster.h"
#include "vault/catalog.h"
#include "vault/metadata.h"
#include "vault/record.h"

namespace vault {

struct SealJob {
  Columns columns;    // size is not known yet: it comes from the source
  Metadata metadata;  // name, parties, ...; what repeats the columns is filled in here
  int source = -1;    // descriptor to read from, from offset 0 to its end
  int object = -1;    // descriptor to append the object to
  std::vector<keys::RoleHolder> recipients;
};

struct Sealed {
  Columns columns;  // with the size
  Metadata metadata;
  std::vector<Catalog::Header> headers;
  std::string metadata_payload;  // base64
  std::string record;            // signed
  base::SecretBytes file_key;    // of class customer only, for what takes it in (vault/collect.h); else nothing
};

// One recording while it comes in, piece by piece: its file key, its object and the hashes of both. What is known of
// the call may be said at the end. The destructor wipes what opens it.
class Sealer {
 public:
  // `object`: descriptor to append the object to; the caller keeps it open, and syncs it.
  static base::Result<Sealer> create(int object, base::Files& files);
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;
  ~Sealer();

  base::Result<void> add(base::ByteView plain);  // after an error every later call fails
  base::Result<void> end();                      // nothing more comes; once
  std::uint64_t size() const;                    // of what came
  const std::string& sha256() const;             // of all that came, hex; REQUIRES end()
  // Of `job`: columns, metadata and recipients. REQUIRES end().
  base::Result<Sealed> seal(const SealJob& job, const base::SecretBytes& erase_secret,
                            const keys::NoteSigner& service) const;

 private:
  struct State;
  explicit Sealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// All of a source at once. `piece`: of kSealPiece bytes, to read into; for one source after the other. Fault::damaged:
// the source cannot be read; all else is the vault's. The object is written but not synced. Nothing that opens it stays
// in memory but the key in the result: let it go soon.
constexpr std::size_t kSealPiece = 4 * keys::kChunk;
base::Result<Sealed> seal(const SealJob& job, const base::SecretBytes& erase_secret, const keys::NoteSigner& service,
                          base::Files& files, base::SecretBytes& piece);

// Who gets a header: IT Managers and recovery for all, Tech Managers for class customer only.
std::vector<keys::RoleHolder> recipients_for(const keys::Roster& roster, std::string_view klass);

}  // namespace vault
