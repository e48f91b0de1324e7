// What a thief with catalogue, slots and objects can build without any identity: each header row of a recording, opened
// with its erase secret, and the object behind it. VAULT ID FOLDER; writes FOLDER/RECIPIENT.age. Never installed.
#include <cstdio>

#include "keys/sealed_header.h"
#include "tests/testkit/expect.h"
#include "vault/vault.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const base::SystemClock clock;
  auto vault = testkit::must(vault::Vault::open(argv[1], clock));
  const std::string id = argv[2];
  const auto row = testkit::must(vault.catalog().recording(id));
  const auto secret = testkit::must(vault.slots().read(row.columns.slot));
  const auto file = testkit::must(vault.store().open(id));
  base::Bytes object(testkit::must(base::info(file.get())).size);
  testkit::must(base::read_at(file.get(), 0, object));
  for (const auto& recipient : testkit::must(vault.catalog().recipients_of(id))) {
    const auto sealed = testkit::must(base::unbase64(*testkit::must(vault.catalog().header(id, recipient))));
    const auto header = testkit::must(keys::open_header({id, recipient}, secret, nullptr, sealed));
    testkit::must(base::system_files().create_whole(base::Path(argv[3]) / (recipient + ".age"),
                                                    base::concat({header.reveal(), object})));
    std::printf("%s\n", recipient.c_str());
  }
  return 0;
}
