#include "vault/config.h"

#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace vault {
namespace {

using base::Fault;
using testkit::must;

class ConfigTest : public ::testing::Test {
 protected:
  base::Result<Config> read(std::string_view text) {
    testkit::put_file(folder / "callvault.toml", base::as_bytes(text));
    return read_config(folder.path());
  }
  testkit::TempFolder folder{testkit::TempFolder::in_memory()};
};

TEST_F(ConfigTest, WhatIsWrittenIsReadAgain) {
  Config c;
  c.vault_id = "0123abcd";
  c.operator_name = "O'Hara \"&\" Söhne \\ \n x";
  c.region = "GB";
  c.public_host = "sftp.example.net";
  c.public_port = 2022;
  c.delivery_expires = 90;
  c.grant_expires = 100;
  c.claim_connections = 3;
  c.login_failure = 0;
  must(write_config(folder.path(), c, base::system_files()));
  const auto again = must(read_config(folder.path()));
  EXPECT_EQ(again.vault_id, c.vault_id);
  EXPECT_EQ(again.operator_name, c.operator_name);
  EXPECT_EQ(again.region, c.region);
  EXPECT_EQ(again.zone, c.zone);
  EXPECT_EQ(again.public_host, c.public_host);
  EXPECT_EQ(again.public_port, c.public_port);
  EXPECT_EQ(again.delivery_expires, 90);
  EXPECT_EQ(again.grant_expires, 100);
  EXPECT_EQ(again.claim_connections, 3);
  EXPECT_EQ(again.login_failure, 0);
  EXPECT_EQ(again.claim_longest, c.claim_longest);
  EXPECT_EQ(again.connection_idle, c.connection_idle);
  EXPECT_EQ(again.slots_dir, folder / "slots");
  EXPECT_FALSE(again.slots_mirror);
}

TEST_F(ConfigTest, WhatIsNotSaidHasItsDefault) {
  const auto c = must(read("[vault]\nid = \"x\"\n"));
  EXPECT_EQ(c.ingest_quiet, 5);
  EXPECT_EQ(c.delivery_expires, 7 * 86400);
  EXPECT_EQ(c.grant_expires, 7 * 86400);
  EXPECT_EQ(c.claim_longest, 86400);
  EXPECT_EQ(c.claim_connections, 8);
}

TEST_F(ConfigTest, PathsOfTheSlotsMayLieElsewhere) {
  auto c = must(read("[vault]\nid = \"x\"\n[slots]\ndir = \"/mnt/a\"\nmirror = \"m\"\n"));
  EXPECT_EQ(c.slots_dir, base::Path("/mnt/a"));
  EXPECT_EQ(c.slots_mirror, folder / "m");
}

TEST_F(ConfigTest, AMissingFileIsNotFound) { EXPECT_FAULT(Fault::not_found, read_config(folder.path())); }

struct Bad {
  const char* name;
  const char* text;       // behind the [vault] section
  const char* complaint;  // what the message names
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class BadConfig : public ConfigTest, public ::testing::WithParamInterface<Bad> {};
INSTANTIATE_TEST_SUITE_P(
    Texts, BadConfig,
    ::testing::Values(
        Bad{"unknown_section", "[sftpd]\nx = 1\n", "sftpd"}, Bad{"unknown_key", "[claim]\nlongst = \"1d\"\n", "longst"},
        Bad{"key_of_another_section", "[claim]\nquiet = \"1s\"\n", "quiet"}, Bad{"key_without_section", "x = 1\n", ""},
        Bad{"section_is_a_value", "claim = 1\n", ""}, Bad{"list_of_tables", "[[claim]]\nlongest = \"1d\"\n", "claim"},
        Bad{"text_for_a_number", "[claim]\nconnections = \"8\"\n", "connections"},
        Bad{"fraction_for_a_number", "[claim]\nconnections = 8.5\n", "connections"},
        Bad{"number_for_a_duration", "[claim]\nlongest = 86400\n", "longest"},
        Bad{"number_for_text", "[slots]\ndir = 7\n", "dir"},
        Bad{"duration_without_unit", "[claim]\nlongest = \"86400\"\n", "longest"},
        Bad{"duration_negative", "[claim]\nlongest = \"-1d\"\n", "longest"},
        Bad{"duration_of_two_parts", "[claim]\nlongest = \"1d12h\"\n", "longest"},
        Bad{"duration_overflows", "[claim]\nlongest = \"99999999999999999d\"\n", "longest"},
        Bad{"duration_empty", "[claim]\nlongest = \"\"\n", "longest"},
        Bad{"connections_none", "[claim]\nconnections = 0\n", "connections"},
        Bad{"connections_too_many", "[claim]\nconnections = 65\n", "connections"},
        Bad{"port_too_high", "[sftp]\npublic_port = 65536\n", "public_port"},
        Bad{"port_negative", "[sftp]\npublic_port = -1\n", "public_port"},
        Bad{"number_beyond_64_bits", "[sftp]\nlogin_tries = 99999999999999999999\n", "line"},
        Bad{"key_twice", "[claim]\nconnections = 1\nconnections = 2\n", "line"}, Bad{"no_toml", "[claim\n", "line"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(BadConfig, IsRefusedByName) {
  const auto c =
      read(std::string(GetParam().text).starts_with('[') ? "[vault]\nid = \"x\"\n" + std::string(GetParam().text)
                                                         : GetParam().text + std::string("[vault]\nid = \"x\"\n"));
  ASSERT_FAULT(Fault::usage, c);
  EXPECT_NE(c.error().what.find(GetParam().complaint), std::string::npos) << c.error().what;
}

TEST_F(ConfigTest, WithoutAnIdItIsRefused) {
  EXPECT_FAULT(Fault::usage, read(""));
  EXPECT_FAULT(Fault::usage, read("[vault]\nid = \"\"\n"));
}

TEST_F(ConfigTest, AHugeFileIsRefused) { EXPECT_FALSE(read("[vault]\nid = \"x\"\n#" + std::string(300'000, 'x'))); }

TEST_F(ConfigTest, DeepNestingIsRefused) { EXPECT_FALSE(read("[vault]\nid = " + std::string(100'000, '['))); }

class TrustTest : public ::testing::Test {
 protected:
  base::Result<Trust> read(std::string_view text) {
    testkit::put_file(folder / "trust.toml", base::as_bytes(text));
    return read_trust(folder.path());
  }
  static keys::NoteVerifier key(const char* name, int seed) {
    return must(keys::NoteSigner::create(name, testkit::secret_of(32, seed))).verifier();
  }
  testkit::TempFolder folder{testkit::TempFolder::in_memory()};
  const Trust trust{{key("it-manager", 1), key("deputy", 2)}, {key("recovery", 3)}, {key("callvault/x", 4)}};
};

TEST_F(TrustTest, WhatIsWrittenIsReadAgain) {
  must(write_trust(folder.path(), trust, base::system_files()));
  const auto again = must(read_trust(folder.path()));
  EXPECT_EQ(again.it_manager, trust.it_manager);
  EXPECT_EQ(again.recovery, trust.recovery);
  EXPECT_EQ(again.service, trust.service);
}

TEST_F(TrustTest, EveryListMustBeThere) {
  must(write_trust(folder.path(), trust, base::system_files()));
  const auto text = base::to_text(must(base::read_file(folder / "trust.toml", 1 << 16)));
  for (const std::string key : {"it_manager", "recovery", "service"}) {
    auto without = text;
    without.replace(without.find(key + " ="), key.size(), "x");
    EXPECT_FAULT(Fault::damaged, read(without)) << key;
    auto empty = text;
    const auto at = empty.find(key + " = [") + key.size() + 4;
    empty.erase(at, empty.find(']', at) - at);
    EXPECT_FAULT(Fault::damaged, read(empty)) << key;
  }
}

TEST_F(TrustTest, AKeyThatIsNoneIsDamaged) {
  for (const std::string value : {"7", "\"\"", "\"it-manager+00000000+AAAA\"", "[\"x\"]"})
    EXPECT_FAULT(Fault::damaged, read("it_manager = [" + value + "]\nrecovery = []\nservice = []\n")) << value;
  EXPECT_FAULT(Fault::damaged, read("it_manager = \"x\"\n"));
}

}  // namespace
}  // namespace vault
