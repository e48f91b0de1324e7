// File name: which names say that a file is not finished; and those under which a customer sees its recordings:
// originals made safe for every client's file system, and unique without regard to case. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vault {

// Recorders and uploaders give such names to what is not finished: .part .filepart .partial .tmp at the end, in any
// case, and a dot in front. `path`: its last part counts; of a file, or of a folder with all that is in it.
bool waits_for_rename(std::string_view path);

// Control characters, invalid UTF-8 and / \ : * ? " < > | become _, leading dots and trailing dots and spaces go,
// Windows' device names get a _ in front, at most 200 bytes are kept (the extension stays). Never empty.
std::string safe_name(std::string_view original);

// safe_name() of each, made unique: the second "a.wav" becomes "a (2).wav". `taken` are names already in the folder.
std::vector<std::string> unique_names(const std::vector<std::string>& originals,
                                      const std::vector<std::string>& taken = {});

}  // namespace vault
