#include "cli/key_file.h"

#include <nlohmann/json.hpp>

#include "keys/note.h"

namespace cli {

using base::Error;
using base::Fault;
using base::Result;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxFile = 64 * 1024;

Error bad(const char* what) { return {Fault::usage, std::string("the key file: ") + what}; }

}  // namespace

Result<std::string> print_keys(const keys::Identity& identity) {
  if (identity.signing_seed() == nullptr) return Error{Fault::denied, "this identity file has no signing seed"};
  const auto signer = keys::NoteSigner::create("unnamed", *identity.signing_seed());
  if (!signer) return signer.error();
  return Json{{"recipient", identity.recipient().text()}, {"signing_key", base::base64(signer->verifier().key())}}.dump(
             2) +
         "\n";
}

Result<PublicKeys> read_key_file(const std::string& path) {
  const auto text = base::read_file(path, kMaxFile);
  if (!text) return text.error().at("the key file");
  const auto json = Json::parse(base::as_text(*text), nullptr, false);
  if (!json.is_object()) return bad("not JSON as \"callvault key new --json\" prints it");
  for (const char* field : {"recipient", "signing_key"})
    if (!json.contains(field) || !json[field].is_string()) return bad("no recipient, or no signing_key");
  auto recipient = keys::Recipient::parse(json["recipient"].get<std::string>());
  if (!recipient) return bad("its recipient is no age key (age1...) that anybody can have");
  auto key = base::unbase64(json["signing_key"].get<std::string>());
  if (!key || !keys::NoteVerifier::make("unnamed", *key)) return bad("its signing_key is no Ed25519 key in base64");
  return PublicKeys{*recipient, std::move(*key)};
}

}  // namespace cli
