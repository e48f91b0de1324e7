#include "keys/age_stream.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

#include "keys/aead.h"
#include "keys/age_header.h"
#include "keys/kdf.h"

namespace keys {
namespace {

using base::ByteView;
using base::Error;
using base::Fault;
using base::SecretBytes;

// A buffer of plaintext: wiped when it goes.
struct Plain {
  base::Bytes bytes = base::Bytes(kChunk);
  Plain() = default;
  ~Plain() { base::wipe(bytes); }
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;
};

// The payload key at work on whole chunks: one OpenSSL context for all of them, in one direction.
class ChunkCipher {
 public:
  enum class Direction : int { open = 0, seal = 1 };

  static base::Result<ChunkCipher> create(const SecretBytes& file_key, ByteView nonce, Direction direction) {
    if (file_key.size() != kFileKey) std::abort();
    const auto key = hkdf_sha256(file_key.reveal(), nonce, base::as_bytes("payload"), kAeadKey);
    if (!key) return key.error();
    ChunkCipher out;
    const auto* bytes = reinterpret_cast<const unsigned char*>(key->reveal().data());
    if (out.context_ == nullptr || EVP_CipherInit_ex(out.context_.get(), EVP_chacha20_poly1305(), nullptr, bytes,
                                                     nullptr, static_cast<int>(direction)) != 1)
      return Error{Fault::failed, "cannot start the cipher"};
    return out;
  }

  // `out` gets plain.size() + kAeadTag bytes.
  bool seal(std::uint64_t number, bool last, ByteView plain, std::byte* out) {
    auto* to = reinterpret_cast<unsigned char*>(out);
    int n = 0;
    return start(number, last) && update(plain, to) &&
           EVP_EncryptFinal_ex(context_.get(), to + plain.size(), &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTag, to + plain.size()) == 1;
  }

  // `out` gets sealed.size() - kAeadTag bytes, all zero when the tag does not verify. REQUIRES sealed.size() >=
  // kAeadTag.
  bool open(std::uint64_t number, bool last, ByteView sealed, std::byte* out) {
    const ByteView body = sealed.first(sealed.size() - kAeadTag);
    auto* tag = const_cast<std::byte*>(sealed.last(kAeadTag).data());
    unsigned char none[kAeadTag];  // Final writes nothing for this cipher
    int n = 0;
    const bool verified =
        start(number, last) && EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTag, tag) == 1 &&
        update(body, reinterpret_cast<unsigned char*>(out)) && EVP_DecryptFinal_ex(context_.get(), none, &n) == 1;
    if (!verified) base::wipe(std::span(out, body.size()));
    return verified;
  }

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  bool start(std::uint64_t number, bool last) {
    std::array<unsigned char, kChachaNonce> nonce{};
    for (std::size_t i = 0; i < 8; ++i) nonce[10 - i] = static_cast<unsigned char>(number >> (8 * i) & 0xff);
    nonce[11] = last ? 1 : 0;
    return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), -1) == 1;
  }

  bool update(ByteView in, unsigned char* out) {
    int n = 0;
    return in.empty() || EVP_CipherUpdate(context_.get(), out, &n, reinterpret_cast<const unsigned char*>(in.data()),
                                          static_cast<int>(in.size())) == 1;
  }

  std::unique_ptr<EVP_CIPHER_CTX, Free> context_{EVP_CIPHER_CTX_new()};
};

std::uint64_t chunks_of(std::uint64_t plain) { return plain == 0 ? 1 : (plain - 1) / kChunk + 1; }

Error damaged(const char* what) { return {Fault::damaged, what}; }

}  // namespace

std::uint64_t payload_size(std::uint64_t plain) { return kPayloadNonce + plain + kAeadTag * chunks_of(plain); }

base::Result<std::uint64_t> plain_size(std::uint64_t payload) {
  if (payload < kPayloadNonce + kAeadTag) return damaged("payload is too short");
  const std::uint64_t sealed = payload - kPayloadNonce;
  const std::uint64_t chunks = (sealed - 1) / kSealedChunk + 1;
  const std::uint64_t last = sealed - (chunks - 1) * kSealedChunk;
  if (last < kAeadTag || (last == kAeadTag && chunks > 1)) return damaged("no payload has this size");
  return sealed - chunks * kAeadTag;
}

struct StreamWriter::State {
  ChunkCipher cipher;
  Sink sink;
  Plain held{};  // the newest bytes: whether they are the last is known later
  std::size_t used = 0;
  base::Bytes sealed = base::Bytes(kSealedChunk);
  std::uint64_t number = 0;
  bool over = false;  // finished, or failed

  base::Result<void> put(ByteView plain, bool last) {
    const std::span out = std::span(sealed).first(plain.size() + kAeadTag);
    over = true;  // until it went well
    if (!cipher.seal(number++, last, plain, out.data())) return Error{Fault::failed, "encryption failed"};
    if (auto r = sink(out); !r) return r;
    over = last;
    return {};
  }
};

StreamWriter::StreamWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
StreamWriter::StreamWriter(StreamWriter&&) noexcept = default;
StreamWriter& StreamWriter::operator=(StreamWriter&&) noexcept = default;
StreamWriter::~StreamWriter() = default;

base::Result<StreamWriter> StreamWriter::create(const SecretBytes& file_key, Sink sink) {
  const base::Bytes nonce = base::random_bytes(kPayloadNonce);
  auto cipher = ChunkCipher::create(file_key, nonce, ChunkCipher::Direction::seal);
  if (!cipher) return cipher.error();
  if (auto r = sink(nonce); !r) return r.error();
  return StreamWriter(std::unique_ptr<State>(new State{std::move(*cipher), std::move(sink)}));
}

base::Result<void> StreamWriter::write(ByteView plain) {
  State& s = *state_;
  if (s.over) return Error{Fault::failed, "the stream is finished or failed"};
  while (!plain.empty()) {
    if (s.used == 0 && plain.size() > kChunk) {  // a whole chunk that is not the last: no need to hold it
      if (auto r = s.put(plain.first(kChunk), false); !r) return r;
      plain = plain.subspan(kChunk);
      continue;
    }
    if (s.used == kChunk) {
      s.used = 0;
      if (auto r = s.put(s.held.bytes, false); !r) return r;
      continue;
    }
    const std::size_t n = std::min(plain.size(), kChunk - s.used);
    std::copy_n(plain.begin(), n, s.held.bytes.begin() + static_cast<std::ptrdiff_t>(s.used));
    s.used += n;
    plain = plain.subspan(n);
  }
  return {};
}

base::Result<void> StreamWriter::finish() {
  if (state_->over) return Error{Fault::failed, "the stream is finished or failed"};
  return state_->put(ByteView(state_->held.bytes).first(state_->used), true);
}

struct StreamReader::State {
  ChunkCipher cipher;
  base::Fd file;
  std::uint64_t start;  // where chunk 0 begins in the file
  std::uint64_t size;
  base::Bytes sealed = base::Bytes(kSealedChunk);
  Plain plain{};
  std::optional<std::uint64_t> cached{};  // the chunk in `plain`
  bool failed = false;

  std::size_t length(std::uint64_t chunk) const {
    return static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, size - chunk * kChunk));
  }

  // Reads, verifies and decrypts one chunk into `out` (length(chunk) bytes).
  base::Result<void> open_chunk(std::uint64_t chunk, std::byte* out) {
    const std::span in = std::span(sealed).first(length(chunk) + kAeadTag);
    failed = true;  // until it went well
    const auto n = base::read_at(file.get(), start + chunk * kSealedChunk, in);
    if (!n) return n.error();
    if (*n != in.size()) return damaged("payload was cut while it was open");
    if (!cipher.open(chunk, chunk + 1 == chunks_of(size), in, out)) return damaged("payload chunk does not verify");
    failed = false;
    return {};
  }

  base::Result<void> cache(std::uint64_t chunk) {
    if (cached == chunk) return {};
    cached.reset();
    if (auto r = open_chunk(chunk, plain.bytes.data()); !r) return r;
    cached = chunk;
    return {};
  }
};

StreamReader::StreamReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
StreamReader::StreamReader(StreamReader&&) noexcept = default;
StreamReader& StreamReader::operator=(StreamReader&&) noexcept = default;
StreamReader::~StreamReader() = default;

base::Result<StreamReader> StreamReader::open(const SecretBytes& file_key, base::Fd file, std::uint64_t offset) {
  const auto info = base::info(file.get());
  if (!info) return info.error();
  if (info->size < offset) return damaged("payload is too short");
  const auto size = plain_size(info->size - offset);
  if (!size) return size.error();
  std::array<std::byte, kPayloadNonce> nonce;
  const auto n = base::read_at(file.get(), offset, nonce);
  if (!n) return n.error();
  if (*n != nonce.size()) return damaged("payload is too short");
  auto cipher = ChunkCipher::create(file_key, nonce, ChunkCipher::Direction::open);
  if (!cipher) return cipher.error();
  StreamReader out(
      std::unique_ptr<State>(new State{std::move(*cipher), std::move(file), offset + kPayloadNonce, *size}));
  if (auto r = out.state_->cache(chunks_of(*size) - 1); !r) return r.error().at("last chunk");
  return out;
}

std::uint64_t StreamReader::size() const { return state_->size; }

base::Result<std::size_t> StreamReader::read(std::uint64_t offset, std::span<std::byte> out) {
  State& s = *state_;
  if (s.failed) return damaged("payload failed before");
  if (offset > s.size) return Error{Fault::usage, "offset behind the end"};
  const auto total = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), s.size - offset));
  for (std::size_t done = 0; done < total;) {
    const std::uint64_t chunk = (offset + done) / kChunk;
    const auto within = static_cast<std::size_t>((offset + done) % kChunk);
    const std::size_t part = std::min(s.length(chunk) - within, total - done);
    if (part == s.length(chunk) && s.cached != chunk) {
      if (auto r = s.open_chunk(chunk, out.data() + done); !r) return r.error();
    } else {
      if (auto r = s.cache(chunk); !r) return r.error();
      std::copy_n(s.plain.bytes.data() + within, part, out.data() + done);
    }
    done += part;
  }
  return total;
}

base::Result<void> open_forward(const SecretBytes& file_key, const Source& source, const StreamWriter::Sink& sink) {
  std::array<std::byte, kPayloadNonce> nonce;
  auto n = source(nonce);
  if (!n) return n.error();
  if (*n != nonce.size()) return damaged("payload is too short");
  auto cipher = ChunkCipher::create(file_key, nonce, ChunkCipher::Direction::open);
  if (!cipher) return cipher.error();
  // One byte more than a chunk: whether it is there tells the last chunk from the others.
  base::Bytes sealed(kSealedChunk + 1);
  Plain plain;
  std::size_t have = 0;
  for (std::uint64_t chunk = 0;; ++chunk) {
    n = source(std::span(sealed).subspan(have));
    if (!n) return n.error();
    have += *n;
    const bool last = have <= kSealedChunk;
    const std::size_t size = std::min(have, kSealedChunk);
    if (size < kAeadTag || (last && size == kAeadTag && chunk > 0)) return damaged("no payload has this size");
    if (!cipher->open(chunk, last, ByteView(sealed).first(size), plain.bytes.data()))
      return damaged("payload chunk does not verify");
    if (auto r = sink(ByteView(plain.bytes).first(size - kAeadTag)); !r) return r;
    if (last) return {};
    sealed[0] = sealed[kSealedChunk];
    have = 1;
  }
}

base::Result<base::Bytes> seal_payload(const SecretBytes& file_key, ByteView plain) {
  base::Bytes out;
  out.reserve(payload_size(plain.size()));
  auto writer = StreamWriter::create(file_key, [&out](ByteView part) -> base::Result<void> {
    base::put_raw(out, part);
    return {};
  });
  if (!writer) return writer.error();
  if (auto r = writer->write(plain); !r) return r.error();
  if (auto r = writer->finish(); !r) return r.error();
  return out;
}

base::Result<SecretBytes> open_payload(const SecretBytes& file_key, ByteView payload) {
  const auto size = plain_size(payload.size());
  if (!size) return size.error();
  auto out = SecretBytes::zeros(static_cast<std::size_t>(*size));
  if (!out) return out;
  auto cipher = ChunkCipher::create(file_key, payload.first(kPayloadNonce), ChunkCipher::Direction::open);
  if (!cipher) return cipher.error();
  const std::uint64_t chunks = chunks_of(*size);
  payload = payload.subspan(kPayloadNonce);
  for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
    const ByteView sealed = payload.first(std::min(payload.size(), kSealedChunk));
    if (!cipher->open(chunk, chunk + 1 == chunks, sealed, out->reveal_to_write().data() + chunk * kChunk))
      return damaged("payload chunk does not verify");
    payload = payload.subspan(sealed.size());
  }
  return out;
}

}  // namespace keys
