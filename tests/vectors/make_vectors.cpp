// Builds the vectors in FOLDER/age: one damage per file. The same bytes each time.
// It shares no code with keys/: what is right is said here a second time, with another library, from
// https://c2sp.org/age.
//
// A vector is text. Head: what must happen, how much plaintext may come out before (bytes and their SHA-256), why.
// Then the identity or passphrase, and the file in pieces: "> TEXT" is a line with its newline, "hex DIGITS" are bytes,
// "zeros N" are N bytes of zero. Full chunks are sealed so that their ciphertext is zeros (the plaintext is then the
// keystream), or a vector with three chunks would be 200 KB of noise.
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace {

using base::Bytes;
using base::ByteView;

constexpr std::size_t kChunk = 65536;

const unsigned char* in(ByteView v) { return reinterpret_cast<const unsigned char*>(v.data()); }
unsigned char* to(Bytes& v) { return reinterpret_cast<unsigned char*>(v.data()); }
Bytes text(std::string_view s) { return base::to_bytes(s); }
Bytes filled(std::size_t size, int value) { return Bytes(size, static_cast<std::byte>(value)); }
std::string b64(ByteView v) { return base::base64(v, base::Padding::none); }

// ---- primitives

Bytes hmac(ByteView key, ByteView data) {
  Bytes out(32);
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, in(key), key.size());
  crypto_auth_hmacsha256_update(&state, in(data), data.size());
  crypto_auth_hmacsha256_final(&state, to(out));
  return out;
}

Bytes hkdf(ByteView ikm, ByteView salt, std::string_view info) {  // 32 bytes
  return hmac(hmac(salt.empty() ? filled(32, 0) : Bytes(salt.begin(), salt.end()), ikm),
              base::concat({text(info), filled(1, 1)}));
}

Bytes seal(ByteView key, ByteView nonce, ByteView plain) {
  Bytes out(plain.size() + 16);
  crypto_aead_chacha20poly1305_ietf_encrypt(to(out), nullptr, in(plain), plain.size(), nullptr, 0, nullptr, in(nonce),
                                            in(key));
  return out;
}

Bytes public_of(ByteView secret) {
  Bytes out(32);
  crypto_scalarmult_base(to(out), in(secret));
  return out;
}

// ---- pieces of an age file

const Bytes kFileKey = text("YELLOW SUBMARINE");
const Bytes kMe = filled(32, 0x11);
const Bytes kStranger = filled(32, 0x22);
const Bytes kEphemeral = filled(32, 0x33);
constexpr std::string_view kPassphrase = "correct horse";

std::string bech32_identity(ByteView key) {  // BIP 173, upper case
  constexpr std::string_view symbols = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
  constexpr std::string_view prefix = "AGE-SECRET-KEY-";
  std::vector<unsigned> values;
  unsigned group = 0, bits = 0;
  for (const std::byte b : key) {
    group = (group << 8 | static_cast<unsigned>(b)) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) values.push_back(group >> (bits - 5) & 31);
  }
  if (bits > 0) values.push_back(group << (5 - bits) & 31);
  std::vector<unsigned> all;
  for (const char c : prefix) all.push_back(static_cast<unsigned>(c | (c >= 'A' ? 32 : 0)) >> 5);
  all.push_back(0);
  for (const char c : prefix) all.push_back(static_cast<unsigned>(c | (c >= 'A' ? 32 : 0)) & 31);
  all.insert(all.end(), values.begin(), values.end());
  all.insert(all.end(), 6, 0);
  unsigned sum = 1;
  for (const unsigned v : all) {
    const unsigned top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ v;
    constexpr std::array<unsigned, 5> generator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    for (unsigned i = 0; i < 5; ++i) sum ^= (top >> i & 1) != 0 ? generator[i] : 0;
  }
  for (unsigned i = 0; i < 6; ++i) values.push_back((sum ^ 1) >> (25 - 5 * i) & 31);
  std::string out = std::string(prefix) + "1";
  for (const unsigned v : values) out += symbols[v];
  return out;
}

std::string body_lines(ByteView body) {
  const std::string all = b64(body);
  std::string out;
  for (std::size_t at = 0; at <= all.size(); at += 64) out += all.substr(at, 64) + "\n";
  return out;
}

std::string stanza(std::string_view args, ByteView body) { return "-> " + std::string(args) + "\n" + body_lines(body); }

Bytes x25519_body(ByteView recipient, ByteView share, ByteView shared, ByteView file_key) {
  return seal(hkdf(shared, base::concat({share, recipient}), "age-encryption.org/v1/X25519"), filled(12, 0), file_key);
}

std::string x25519(ByteView identity = kMe, ByteView file_key = kFileKey) {
  const Bytes recipient = public_of(identity);
  const Bytes share = public_of(kEphemeral);
  Bytes shared(32);
  if (crypto_scalarmult(to(shared), in(kEphemeral), in(recipient)) != 0) std::abort();
  return stanza("X25519 " + b64(share), x25519_body(recipient, share, shared, file_key));
}

// A stanza whose share is no honest public key; sealed under the shared secret that a careless reader would get.
std::string x25519_with_share(ByteView share, ByteView shared) {
  return stanza("X25519 " + b64(share), x25519_body(public_of(kMe), share, shared, kFileKey));
}

std::string scrypt(std::string_view factor, unsigned log_n, ByteView salt = filled(16, 0x44)) {
  const Bytes all = base::concat({text("age-encryption.org/v1/scrypt"), salt});
  Bytes key(32);
  if (crypto_pwhash_scryptsalsa208sha256_ll(in(base::as_bytes(kPassphrase)), kPassphrase.size(), in(all), all.size(),
                                            std::uint64_t{1} << log_n, 8, 1, to(key), key.size()) != 0)
    std::abort();
  return stanza("scrypt " + b64(salt) + " " + std::string(factor), seal(key, filled(12, 0), kFileKey));
}

std::string with_mac(const std::string& stanzas, std::string_view intro = "age-encryption.org/v1\n") {
  const std::string covered = std::string(intro) + stanzas + "---";
  return covered + " " + b64(hmac(hkdf(kFileKey, {}, "header"), text(covered))) + "\n";
}

const Bytes kNonce = filled(16, 0x55);

Bytes chunk_nonce(std::uint64_t number, bool last) {
  Bytes out(3);
  base::put_u64(out, number);
  base::put_u8(out, last ? 1 : 0);
  return out;
}

struct Chunk {
  Bytes plain;
  Bytes sealed;
};

Chunk chunk(std::uint64_t number, bool last, const Bytes& plain) {
  return {plain, seal(hkdf(kFileKey, kNonce, "payload"), chunk_nonce(number, last), plain)};
}

Chunk full_chunk(std::uint64_t number, bool last) {  // ciphertext of zeros
  Bytes keystream = chunk(number, last, Bytes(kChunk)).sealed;
  keystream.resize(kChunk);
  return chunk(number, last, keystream);
}

Bytes join(std::initializer_list<Chunk> chunks) {
  Bytes out = kNonce;
  for (const Chunk& c : chunks) base::put_raw(out, c.sealed);
  return out;
}

Chunk flipped(Chunk c, std::size_t at) {
  c.sealed[at] ^= std::byte{1};
  return c;
}

Chunk cut(Chunk c, std::size_t size) {
  c.sealed.resize(size);
  return c;
}

// ---- vectors

struct Vector {
  std::string expect;
  Bytes released;
  std::string comment;
  Bytes file;
  bool passphrase = false;
};

std::string folder;
int written = 0;

void print_pieces(std::ostream& out, ByteView file) {
  while (!file.empty()) {
    const auto zeros = static_cast<std::size_t>(
        std::find_if(file.begin(), file.end(), [](std::byte b) { return b != std::byte{0}; }) - file.begin());
    if (zeros >= 64) {
      out << "zeros " << zeros << "\n";
      file = file.subspan(zeros);
      continue;
    }
    const std::string_view view = base::as_text(file);
    const std::size_t end = view.find('\n');
    const auto printable = [](char c) { return c >= 32 && c < 127; };
    if (end != std::string_view::npos &&
        std::all_of(view.begin(), view.begin() + static_cast<std::ptrdiff_t>(end), printable)) {
      out << "> " << view.substr(0, end) << "\n";
      file = file.subspan(end + 1);
      continue;
    }
    const std::size_t n = std::min<std::size_t>(file.size(), end != std::string_view::npos && end < 200 ? end + 1 : 48);
    out << "hex " << base::hex(file.first(n)) << "\n";
    file = file.subspan(n);
  }
}

void write(const std::string& name, const Vector& v) {
  std::ofstream out(folder + "/age/" + name + ".txt", std::ios::trunc);
  std::array<unsigned char, 32> hash;
  crypto_hash_sha256(hash.data(), in(v.released), v.released.size());
  out << "expect: " << v.expect << "\n";
  out << "released: " << v.released.size() << " bytes, sha256 " << base::hex(std::as_bytes(std::span(hash))) << "\n";
  out << "comment: " << v.comment << "\n";
  out << (v.passphrase ? "passphrase: " + std::string(kPassphrase) : "identity: " + bech32_identity(kMe)) << "\n";
  out << "file:\n";
  print_pieces(out, v.file);
  if (!out.flush()) std::abort();
  ++written;
}

const Bytes kPlain = text("hello");
Bytes small() { return join({chunk(0, true, kPlain)}); }
Bytes file(const std::string& header, const Bytes& payload = small()) { return base::concat({text(header), payload}); }

void headers() {
  const auto opens = [](const std::string& name, const std::string& comment, const std::string& header,
                        bool passphrase = false) {
    write(name, {"opens", kPlain, comment, file(header), passphrase});
  };
  const auto fails = [](const std::string& name, const std::string& expect, const std::string& comment,
                        const std::string& header, bool passphrase = false) {
    write(name, {expect, {}, comment, file(header), passphrase});
  };
  const std::string good = with_mac(x25519());
  const auto replaced = [](std::string s, const std::string& from, const std::string& by) {
    const std::size_t at = s.find(from);
    if (at == std::string::npos) std::abort();
    return s.replace(at, from.size(), by);
  };
  const auto flip = [](std::string s, std::size_t at) {
    s[at] = static_cast<char>(s[at] ^ 1);
    return s;
  };

  opens("header_x25519", "one recipient, one small chunk", good);
  opens("header_second_of_two_stanzas", "the first is for somebody else", with_mac(x25519(kStranger) + x25519()));
  opens("header_grease", "an unknown stanza with arguments and a long body stands in front",
        with_mac(stanza("some-grease ! ~ x", filled(100, 7)) + x25519()));
  opens("header_grease_body_of_one_full_line", "48 bytes: a full line, then an empty one",
        with_mac(stanza("some-grease", filled(48, 7)) + x25519()));
  opens("header_grease_empty_body", "an empty body is one empty line", with_mac(stanza("some-grease", {}) + x25519()));
  opens("scrypt", "work factor 2", with_mac(scrypt("2", 2)), true);

  const std::string at_header = "damaged at header";
  write("header_empty_file", {at_header, {}, "no byte at all", {}});
  fails("header_version_2", at_header, "only v1 is known", with_mac(x25519(), "age-encryption.org/v2\n"));
  fails("header_version_flipped", at_header, "a flipped bit in the first line", flip(good, 3));
  fails("header_cr_after_version", at_header, "lines end with LF alone",
        with_mac(x25519(), "age-encryption.org/v1\r\n"));
  fails("header_cr_after_args", at_header, "CR is no character of an argument",
        with_mac(replaced(x25519(), "\n", "\r\n")));
  fails("header_cr_after_body", at_header, "CR is no base64",
        with_mac(x25519().substr(0, x25519().size() - 1) + "\r\n"));
  fails("header_cr_after_mac", at_header, "CR is no base64", good.substr(0, good.size() - 1) + "\r\n");
  fails("header_no_stanza", at_header, "a header has at least one stanza", with_mac(""));
  fails("header_stanza_without_type", at_header, "a stanza has at least one argument", with_mac("-> \n\n" + x25519()));
  fails("header_two_spaces", at_header, "one space separates arguments",
        with_mac(replaced(x25519(), "X25519 ", "X25519  ")));
  fails("header_space_behind_args", at_header, "the last argument is empty", with_mac(replaced(x25519(), "\n", " \n")));
  fails("header_non_ascii_arg", at_header, "arguments are bytes of 33 to 126",
        with_mac("-> gr\xc3\xa4\n\n" + x25519()));
  fails("header_body_padded", at_header, "stanza bodies have no padding",
        with_mac(x25519().substr(0, x25519().size() - 1) + "=\n"));
  fails("header_body_not_canonical", at_header, "the unused bits of the last symbol are zero",
        with_mac("-> some-grease\nAAB\n" + x25519()));
  fails("header_body_url_alphabet", at_header, "- and _ are no base64", with_mac("-> some-grease\nA-_A\n" + x25519()));
  fails("header_body_line_of_68", at_header, "a line has at most 64 columns",
        with_mac("-> some-grease\n" + std::string(68, 'A') + "\n" + x25519()));
  fails("header_body_short_line_inside", at_header, "only the last line is short",
        with_mac("-> some-grease\nAAAA\nAAAA\n" + x25519()));
  fails("header_body_full_line_without_short_one", at_header, "a full line is followed by a shorter one",
        with_mac("-> some-grease\n" + std::string(64, 'A') + "\n" + x25519()));
  fails("header_empty_line_between_stanzas", at_header, "no line stands between stanzas",
        with_mac(x25519() + "\n" + x25519(kStranger)));
  fails("header_mac_missing", at_header, "the header ends before its last line", "age-encryption.org/v1\n" + x25519());
  fails("header_mac_empty", at_header, "--- without a MAC", replaced(good, good.substr(good.size() - 44, 43), ""));
  fails("header_mac_short", at_header, "31 bytes", good.substr(0, good.size() - 44) + b64(filled(31, 0)) + "\n");
  fails("header_mac_padded", at_header, "no padding here either", good.substr(0, good.size() - 1) + "=\n");
  fails("header_mac_not_canonical", at_header, "32 bytes leave two bits, which are zero",
        good.substr(0, good.size() - 2) + static_cast<char>(good[good.size() - 2] + 1) + "\n");

  const std::string at_unwrap = "damaged at unwrap";
  const std::string denied = "denied at unwrap";
  const Bytes share = public_of(kEphemeral);
  fails("x25519_for_somebody_else", denied, "no stanza is ours", with_mac(x25519(kStranger)));
  fails("x25519_lower_case_type", denied, "the type is another word", with_mac(replaced(x25519(), "X25519", "x25519")));
  fails("x25519_body_flipped", denied, "a body whose tag fails is a stanza for somebody else",
        with_mac(flip(x25519(), x25519().size() - 10)));
  fails("x25519_share_flipped", denied, "another share, another key", with_mac(flip(x25519(), 12)));
  fails("x25519_extra_argument", at_unwrap, "type and share, nothing else", with_mac(replaced(x25519(), "\n", " x\n")));
  fails("x25519_no_share", at_unwrap, "the share is missing", with_mac(stanza("X25519", filled(32, 1))));
  fails("x25519_share_of_31_bytes", at_unwrap, "a share has 32 bytes",
        with_mac(stanza("X25519 " + b64(filled(31, 9)), filled(32, 1))));
  fails("x25519_share_not_canonical_base64", at_unwrap, "the unused bits are zero",
        with_mac(replaced(x25519(), b64(share), [&] {
          std::string s = b64(share);
          s.back() = static_cast<char>(s.back() + 1);
          return s;
        }())));
  Bytes one(32);
  one[0] = std::byte{1};
  fails("x25519_share_zero", at_unwrap, "the shared secret would be zero, known to all",
        with_mac(x25519_with_share(filled(32, 0), filled(32, 0))));
  fails("x25519_share_one", at_unwrap, "order 1", with_mac(x25519_with_share(one, filled(32, 0))));
  fails("x25519_share_low_order", at_unwrap, "order 8",
        with_mac(x25519_with_share(*base::unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
                                   filled(32, 0))));
  Bytes high = share;
  high[31] |= std::byte{0x80};
  Bytes shared(32);
  if (crypto_scalarmult(to(shared), in(kMe), in(share)) != 0) std::abort();
  fails("x25519_share_top_bit_set", at_unwrap, "not canonical: the same point as without the bit (age 1.1.1 opens it)",
        with_mac(x25519_with_share(high, shared)));
  fails("x25519_body_of_31_bytes", at_unwrap, "a wrapped file key has 32 bytes; no decryption is tried",
        with_mac(stanza("X25519 " + b64(share), filled(31, 1))));
  fails("x25519_file_key_of_32_bytes", at_unwrap, "a file key has 16 bytes", with_mac(x25519(kMe, filled(32, 1))));
  fails("scrypt_beside_x25519", at_unwrap, "a scrypt stanza stands alone (age 1.1.1 opens it)",
        with_mac(x25519() + scrypt("2", 2)));
  fails("scrypt_twice", at_unwrap, "a scrypt stanza stands alone",
        with_mac(scrypt("2", 2) + scrypt("2", 2, filled(16, 1))), true);
  fails("scrypt_beside_x25519_with_passphrase", at_unwrap, "a scrypt stanza stands alone",
        with_mac(scrypt("2", 2) + x25519()), true);
  fails("scrypt_factor_21", at_unwrap, "2 GiB: refused before memory is taken (stock age takes up to 22)",
        with_mac(scrypt("21", 2)), true);
  fails("scrypt_factor_255", at_unwrap, "refused before memory is taken", with_mac(scrypt("255", 2)), true);
  fails("scrypt_factor_0", at_unwrap, "no work", with_mac(scrypt("0", 2)), true);
  fails("scrypt_factor_leading_zero", at_unwrap, "02 is not how 2 is written", with_mac(scrypt("02", 2)), true);
  fails("scrypt_factor_with_sign", at_unwrap, "+2 is not how 2 is written", with_mac(scrypt("+2", 2)), true);
  fails("scrypt_factor_huge", at_unwrap, "over 64 bits", with_mac(scrypt("18446744073709551618", 2)), true);
  fails("scrypt_factor_missing", at_unwrap, "salt without work factor",
        with_mac(stanza("scrypt " + b64(filled(16, 0x44)), filled(32, 1))), true);
  fails("scrypt_extra_argument", at_unwrap, "salt and work factor, nothing else", with_mac(scrypt("2 x", 2)), true);
  fails("scrypt_salt_of_15_bytes", at_unwrap, "a salt has 16 bytes", with_mac(scrypt("2", 2, filled(15, 1))), true);
  fails("scrypt_body_of_33_bytes", at_unwrap, "a wrapped file key has 32 bytes",
        with_mac(stanza("scrypt " + b64(filled(16, 0x44)) + " 2", filled(33, 1))), true);
  fails("scrypt_other_passphrase", denied, "made with another factor than it says: no passphrase opens it",
        with_mac(scrypt("3", 2)), true);

  const std::string at_mac = "damaged at mac";
  const auto mac_flipped = [](const std::string& header) {
    Bytes mac = *base::unbase64(std::string_view(header).substr(header.size() - 44, 43), base::Padding::none);
    mac[7] ^= std::byte{1};
    return header.substr(0, header.size() - 44) + b64(mac) + "\n";
  };
  fails("mac_flipped", at_mac, "one bit", mac_flipped(good));
  fails("mac_zero", at_mac, "32 zero bytes", good.substr(0, good.size() - 44) + b64(filled(32, 0)) + "\n");
  fails("mac_grease_flipped", at_mac, "a bit in somebody else's stanza",
        replaced(with_mac(stanza("some-grease a", {}) + x25519()), "grease a", "grease b"));
  fails("mac_stanza_added", at_mac, "a stanza put in afterwards",
        replaced(good, "-> X25519", stanza("some-grease", {}) + "-> X25519"));
  fails("mac_stanza_removed", at_mac, "a stanza taken out afterwards",
        replaced(with_mac(x25519(kStranger) + x25519()), x25519(kStranger), ""));
  fails("mac_of_another_file_key", at_mac, "the stanza holds another file key than the MAC",
        with_mac(x25519(kMe, text("yellow submarine"))));
  fails("mac_scrypt_flipped", at_mac, "the same for a passphrase", mac_flipped(with_mac(scrypt("2", 2))), true);
}

void payloads() {
  const std::string header = with_mac(x25519());
  const auto put = [&](const std::string& name, const std::string& expect, const Bytes& released,
                       const std::string& comment, const Bytes& payload) {
    write(name, {expect, released, comment, file(header, payload)});
  };
  const std::string at_open = "damaged at open";
  const std::string at_payload = "damaged at payload";
  const Chunk first = full_chunk(0, false);
  const Chunk second = full_chunk(1, false);
  const Chunk tail = chunk(2, true, kPlain);
  const Chunk only = full_chunk(0, true);

  put("stream_empty", "opens", {}, "an empty payload is one empty last chunk", join({chunk(0, true, {})}));
  put("stream_one_full_chunk", "opens", only.plain, "the last chunk may be full", join({only}));
  put("stream_two_chunks", "opens", base::concat({first.plain, kPlain}), "a full chunk and a short one",
      join({first, chunk(1, true, kPlain)}));
  put("stream_two_full_chunks", "opens", base::concat({first.plain, full_chunk(1, true).plain}), "both full",
      join({first, full_chunk(1, true)}));
  put("stream_three_chunks", "opens", base::concat({first.plain, second.plain, kPlain}), "two full and a short one",
      join({first, second, tail}));

  put("stream_no_payload", at_open, {}, "the file ends with its header", {});
  put("stream_nonce_cut", at_open, {}, "8 bytes of nonce", Bytes(kNonce.begin(), kNonce.begin() + 8));
  put("stream_nonce_alone", at_open, {}, "no chunk at all", kNonce);
  put("stream_tag_cut", at_open, {}, "15 bytes of the only tag", join({cut(chunk(0, true, {}), 15)}));
  put("stream_nonce_flipped", at_open, {}, "another payload key", [&] {
    Bytes out = small();
    out[0] ^= std::byte{1};
    return out;
  }());
  put("stream_last_byte_cut", at_open, {}, "the tag is no longer whole", join({cut(chunk(0, true, kPlain), 20)}));
  put("stream_only_chunk_flipped", at_open, {}, "one bit of the text", join({flipped(chunk(0, true, kPlain), 0)}));
  put("stream_only_tag_flipped", at_open, {}, "one bit of the tag", join({flipped(chunk(0, true, kPlain), 20)}));
  put("stream_empty_tag_zero", at_open, {}, "16 zero bytes are no empty chunk", base::concat({kNonce, Bytes(16)}));
  put("stream_only_chunk_not_last", at_open, {}, "sealed as if more followed", join({chunk(0, false, kPlain)}));
  put("stream_only_chunk_counter_1", at_open, {}, "the counter starts at 0", join({chunk(1, true, kPlain)}));
  put("stream_full_chunk_not_last", at_open, {}, "cut behind a full chunk", join({full_chunk(0, false)}));
  put("stream_cut_at_chunk_edge", at_open, {}, "the short last chunk is gone", join({first, second}));
  put("stream_cut_in_second_tag", at_open, {}, "8 bytes of the second tag are missing",
      join({first, cut(second, kChunk + 8)}));
  put("stream_cut_one_byte_into_second", at_open, {}, "no chunk has one byte", join({first, cut(second, 1)}));
  put("stream_cut_16_bytes_into_second", at_open, {}, "a tag's length, but an empty last chunk follows no full one",
      join({first, cut(second, 16)}));
  put("stream_cut_17_bytes_into_second", at_open, {}, "the length of a chunk of one byte",
      join({first, cut(second, 17)}));
  put("stream_last_chunk_flipped", at_open, {}, "the last chunk is verified first: no byte leaves",
      join({first, flipped(chunk(1, true, kPlain), 1)}));
  put("stream_empty_last_chunk_after_full_one", at_open, {}, "well sealed, but the full chunk had to be the last",
      join({first, chunk(1, true, {})}));
  put("stream_byte_appended", at_open, {}, "one byte behind the last chunk", base::concat({small(), Bytes(1)}));
  put("stream_16_bytes_appended", at_open, {}, "a tag's length behind the last chunk",
      base::concat({small(), Bytes(16)}));
  put("stream_last_chunk_twice", at_open, {}, "a second last chunk",
      join({chunk(0, true, kPlain), chunk(0, true, kPlain)}));
  put("stream_first_chunk_dropped", at_open, {}, "what is left has other counters", join({second, tail}));
  put("stream_second_chunk_dropped", at_open, {}, "the last chunk has counter 2", join({first, tail}));
  put("stream_first_chunk_twice", at_open, {}, "the last chunk has counter 2, but is the fourth",
      join({first, first, second, tail}));
  put("stream_other_nonce_in_last_chunk", at_open, {}, "a chunk of another payload under the same file key",
      base::concat({join({first}), seal(hkdf(kFileKey, filled(16, 0x66), "payload"), chunk_nonce(1, true), kPlain)}));
  put("stream_two_payloads", at_open, {}, "a second payload behind the first", base::concat({small(), small()}));

  put("stream_first_of_two_flipped", at_payload, {}, "the first chunk may not leave",
      join({flipped(first, 100), chunk(1, true, kPlain)}));
  put("stream_first_tag_flipped", at_payload, {}, "one bit of the tag",
      join({flipped(first, kChunk), chunk(1, true, kPlain)}));
  put("stream_second_of_three_flipped", at_payload, first.plain, "the first chunk may leave, no byte of the second may",
      join({first, flipped(second, 0), tail}));
  put("stream_second_tag_of_three_flipped", at_payload, first.plain, "last bit of the tag",
      join({first, flipped(second, kChunk + 15), tail}));
  put("stream_chunks_swapped", at_payload, {}, "first and second exchanged", join({second, first, tail}));
  put("stream_first_in_place_of_second", at_payload, first.plain, "doubled, at the same length",
      join({first, first, tail}));
  put("stream_second_in_place_of_first", at_payload, {}, "doubled, at the same length", join({second, second, tail}));
  put("stream_first_sealed_as_last", at_payload, {}, "two chunks say that they are the last",
      join({only, chunk(1, true, kPlain)}));
  put("stream_full_last_then_full_last", at_payload, {}, "two full chunks that both say that they are the last",
      join({only, full_chunk(1, true)}));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || sodium_init() < 0) return std::fprintf(stderr, "usage: make_vectors FOLDER\n"), 2;
  folder = argv[1];
  headers();
  payloads();
  std::printf("%d vectors written\n", written);
}
