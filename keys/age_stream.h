// age payload: 16-byte nonce, then chunks of 64 KiB under ChaCha20-Poly1305 (https://c2sp.org/age, v1). One writer, one
// random-access reader. Chunk n has the nonce: 11-byte big-endian counter n, then 1 on the last chunk, else 0.
// The last chunk may be full; it is empty only in an empty payload.
#pragma once

#include <functional>
#include <memory>

#include "base/bytes.h"
#include "base/files.h"
#include "base/result.h"
#include "base/secret.h"

namespace keys {

constexpr std::size_t kPayloadNonce = 16;
constexpr std::size_t kChunk = 64 * 1024;
constexpr std::size_t kSealedChunk = kChunk + 16;

// Sizes of payload (nonce and tags included) and plaintext.
std::uint64_t payload_size(std::uint64_t plain_size);
base::Result<std::uint64_t> plain_size(std::uint64_t payload_size);  // Fault::damaged when no payload has that size

// Writes a payload piece by piece into `sink`. Not thread-safe. After an error every later call fails.
class StreamWriter {
 public:
  using Sink = std::function<base::Result<void>(base::ByteView)>;
  static base::Result<StreamWriter> create(const base::SecretBytes& file_key, Sink sink);  // draws and writes the nonce
  StreamWriter(StreamWriter&&) noexcept;
  StreamWriter& operator=(StreamWriter&&) noexcept;
  ~StreamWriter();  // wipes its buffers; without finish() the payload is not valid

  base::Result<void> write(base::ByteView plain);
  base::Result<void> finish();  // writes the last chunk; once

 private:
  struct State;
  explicit StreamWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Random access to the plaintext of one payload that lies in `file` from byte `offset` on, up to the end of the file.
// One per open handle, not thread-safe. Owns the descriptor; keeps one decrypted chunk, wiped when replaced.
// Weaker than it looks: it does not know whose bytes these are; the caller compares metadata and ingest record.
class StreamReader {
 public:
  // Verifies the last chunk first, so size() is authenticated; a cut or extended file fails here with Fault::damaged.
  static base::Result<StreamReader> open(const base::SecretBytes& file_key, base::Fd file, std::uint64_t offset = 0);
  StreamReader(StreamReader&&) noexcept;
  StreamReader& operator=(StreamReader&&) noexcept;
  ~StreamReader();

  std::uint64_t size() const;  // plaintext bytes

  // REQUIRES offset <= size(). Fills `out`; short only at the end. Whole chunks are decrypted straight into `out`.
  // On Fault::damaged no byte of the bad chunk is in `out`, and every later call fails too.
  base::Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out);

 private:
  struct State;
  explicit StreamReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Opens a payload in one forward pass. `source` fills the span and says how much it had: short only at the end.
// Each chunk goes to `sink` after its tag was verified; a payload that is cut shows only then, as Fault::damaged at its
// end.
using Source = std::function<base::Result<std::size_t>(std::span<std::byte>)>;
base::Result<void> open_forward(const base::SecretBytes& file_key, const Source& source,
                                const StreamWriter::Sink& sink);

// Whole small payloads (metadata, folder entries) in memory, the nonce in front.
base::Result<base::Bytes> seal_payload(const base::SecretBytes& file_key, base::ByteView plain);
base::Result<base::SecretBytes> open_payload(const base::SecretBytes& file_key, base::ByteView payload);

}  // namespace keys
