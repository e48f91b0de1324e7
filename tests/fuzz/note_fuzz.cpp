// Signed notes, verifier keys and fields: what is accepted prints as the same bytes.
#include <cstdlib>

#include "keys/note.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view in = base::as_text(std::as_bytes(std::span(data, size)));
  static const auto key = keys::NoteVerifier::parse("example+fcbb9f61+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
  if (!key) std::abort();  // the signer of the seeds

  if (const auto note = keys::verify_note(in, {*key}); note && !in.starts_with(note->text + "\n")) std::abort();
  if (const auto verifier = keys::NoteVerifier::parse(in); verifier && verifier->text() != in) std::abort();
  if (const auto fields = keys::NoteFields::parse(in, "callvault/v1/example"); fields && fields->print() != in)
    std::abort();
  if (const auto number = keys::note_number(in); number && std::to_string(*number) != in) std::abort();
  return 0;
}
