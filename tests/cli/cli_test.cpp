// The command line as its users meet it: the real program, a real vault, exit codes, stdout and stderr. One vault is
// made for all tests; each test works on a copy of its own.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/filesystem.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/testkit/program.h"
#include "tests/testkit/temp_folder.h"

namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;
using testkit::Ran;

constexpr const char* kPassphrase = "correct horse battery";
constexpr const char* kCustomerName = "Acme Pelargonium Ltd";
constexpr const char* kCallName = "out-0115496555-101-20261122-093015-1795339815.1.wav";

void write(const fs::path& file, const std::string& text) { std::ofstream(file.string(), std::ios::binary) << text; }

std::string read(const fs::path& file) {
  std::ifstream in(file.string(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string little(std::uint32_t v) {
  return {static_cast<char>(v), static_cast<char>(v >> 8), static_cast<char>(v >> 16), static_cast<char>(v >> 24)};
}

std::string wav(std::uint32_t samples, char fill = 'a') {
  std::string format("\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0", 16);
  return "RIFF" + little(36 + samples) + "WAVEfmt " + little(16) + format + "data" + little(samples) +
         std::string(samples, fill);
}

// A finished recording: nobody changed it lately.
fs::path recording(const fs::path& file, const std::string& content) {
  write(file, content);
  fs::last_write_time(file, 1'700'000'000);
  return file;
}

// Every byte of every file below.
std::string all_bytes(const fs::path& folder) {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (fs::is_regular_file(entry)) all += read(entry.path());
  }
  return all;
}

// Where make_vault.sh made the vault that all tests copy: once for all of them under ctest, else for this program.
const fs::path& made() {
  static const fs::path folder = [] {
    if (const char* shared = std::getenv("CALLVAULT_CLI_VAULT")) return fs::path(shared);
    static const auto* const own = new testkit::TempFolder;
    const Ran ran = testkit::run({CALLVAULT_SOURCE_DIR "/tests/cli/make_vault.sh",
                                  fs::path(CALLVAULT_BINARY).parent_path().string(), (*own / "made").string()});
    if (ran.code != 0) ADD_FAILURE() << "make_vault.sh: " << ran.err;
    return *own / "made";
  }();
  return folder;
}

class Cli : public ::testing::Test {
 protected:
  Cli() {
    fs::create_directory(in());
    fs::create_directory(vault());
    for (const auto& entry : fs::recursive_directory_iterator(made() / "vault")) {
      const fs::path copy = vault() / fs::relative(entry.path(), made() / "vault");
      if (fs::is_directory(entry)) {
        fs::create_directory(copy);
      } else {
        fs::copy_file(entry.path(), copy);
      }
    }
  }

  fs::path vault() const { return folder_ / "vault"; }
  fs::path in() const { return folder_ / "in"; }
  fs::path out() const { return folder_ / "out.wav"; }
  std::string identity() const { return (made() / "it.age").string(); }
  std::string recovery() const { return (made() / "recovery.txt").string(); }
  std::string passphrase() const { return (made() / "passphrase").string(); }

  // Without an identity.
  Ran bare(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), CALLVAULT_BINARY);
    return testkit::run(arguments, {{"CALLVAULT_DIR", vault().string()}});
  }
  // As the IT Manager.
  Ran manager(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--identity", identity(), "--passphrase-file", passphrase()});
    return bare(std::move(arguments));
  }
  // As the recovery: its file is plain, so that no scrypt is waited for.
  Ran recovery_does(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--identity", recovery()});
    return bare(std::move(arguments));
  }

  // What --json printed: it parses, and nothing else is on stdout.
  static Json json(const Ran& ran) {
    EXPECT_TRUE(Json::accept(ran.out)) << ran.out << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }

  // Takes a recording of acme in, and says its id.
  std::string take_in(const std::string& name = "a.wav", const std::string& content = wav(1000)) const {
    const Ran ran = bare({"ingest", recording(in() / name, content).string(), "--customer", "acme", "--json"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json(ran)[0]["id"].get<std::string>();
  }

  // Edits the catalogue behind the program's back.
  void sql(const std::string& statement) const {
    const Ran ran = testkit::run({"sqlite3", (vault() / "catalog.db").string(), statement});
    ASSERT_EQ(ran.code, 0) << "sqlite3 (the tool) is needed: " << ran.err;
  }
  fs::path object(const std::string& id) const { return vault() / "objects" / id.substr(2, 2) / id; }
  void flip_byte(const fs::path& file, std::size_t at) const {
    std::string bytes = read(file);
    bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
    write(file, bytes);
  }
  std::size_t files_in(const fs::path& folder) const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }

  testkit::TempFolder folder_;
};

std::set<std::string> keys(const Json& object) {
  std::set<std::string> all;
  for (const auto& [key, value] : object.items()) all.insert(key);
  return all;
}

// ---- the first vault, in five commands ----

TEST_F(Cli, InitSaysWhatItMade) {
  const Json j = Json::parse(read(made() / "init.out"), nullptr, false);
  EXPECT_EQ(keys(j), (std::set<std::string>{"vault", "folder", "it_manager", "recovery", "fingerprint", "identity_file",
                                            "recovery_file", "warning"}));
  EXPECT_TRUE(j["it_manager"].get<std::string>().starts_with("age1"));
  EXPECT_TRUE(j["fingerprint"].get<std::string>().starts_with("SHA256:"));
  EXPECT_NE(j["it_manager"], j["recovery"]);
  EXPECT_EQ(fs::status(identity()).permissions(), fs::owner_read | fs::owner_write);
}

TEST_F(Cli, FiveCommandsFromNothingToADelivery) {
  const std::string id = take_in(kCallName, wav(200'000));
  const Ran list = bare({"list", "--json"});
  ASSERT_EQ(list.code, 0);
  ASSERT_EQ(json(list).size(), 1U);
  EXPECT_EQ(json(list)[0]["id"], id);
  const Ran delivered = manager({"deliver", "acme", "--all", "--json"});
  ASSERT_EQ(delivered.code, 0) << delivered.err;
  const Json d = json(delivered)[0];
  EXPECT_EQ(keys(d), (std::set<std::string>{"delivery", "account", "password", "host", "port", "fingerprint",
                                            "recordings", "bytes", "expires"}));
  EXPECT_EQ(d["account"], "acme");
  EXPECT_EQ(d["password"].get<std::string>().size(), 29U);
  EXPECT_EQ(d["recordings"], 1);
  EXPECT_EQ(d["bytes"], 200'044);
  EXPECT_TRUE(d["host"].is_null());
  EXPECT_TRUE(d["port"].is_null());
  EXPECT_EQ(bare({"check"}).code, 0);
}

// ---- shapes ----

TEST_F(Cli, IngestJsonHasItsFields) {
  const fs::path file = recording(in() / "a.wav", wav(1000));
  const Ran ran = bare({"ingest", file.string(), "--own", "--category", "message", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json j = json(ran)[0];
  EXPECT_EQ(keys(j), (std::set<std::string>{"id", "name", "size", "sha256", "duplicate", "quarantined", "error"}));
  EXPECT_EQ(j["name"], "a.wav");
  EXPECT_EQ(j["size"], 1044);
  EXPECT_EQ(j["sha256"].get<std::string>().size(), 64U);
  EXPECT_EQ(j["duplicate"], false);
  EXPECT_TRUE(j["error"].is_null());
  const Json again = json(bare({"ingest", file.string(), "--own", "--json"}))[0];
  EXPECT_EQ(again["id"], j["id"]);
  EXPECT_EQ(again["duplicate"], true);
}

TEST_F(Cli, ListTellsNamesToAnIdentityOnly) {
  take_in(kCallName);
  const std::set<std::string> shape{"id",   "class", "customer",   "category",   "started_at",
                                    "size", "state", "restricted", "quarantined"};
  const Ran without = bare({"list", "--json"});
  EXPECT_EQ(keys(json(without)[0]), shape);
  EXPECT_EQ(without.out.find("0115496555"), std::string::npos);
  const Ran with = manager({"list", "--json"});
  ASSERT_EQ(with.code, 0) << with.err;
  auto more = shape;
  more.insert("name");
  EXPECT_EQ(keys(json(with)[0]), more);
  EXPECT_EQ(json(with)[0]["name"], kCallName);
  EXPECT_EQ(json(with)[0]["started_at"], "2026-11-22T09:30:15Z");
}

TEST_F(Cli, ListWithoutRecordingsIsAnEmptyArray) {
  const Ran ran = bare({"list", "--json"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "[]\n");
}

TEST_F(Cli, DatesAreWholeDaysInTheOperatorsZoneWithBothEnds) {
  // A summer night in London: 23:30 UTC on the 9th is 00:30 on the 10th.
  const fs::path meta = in() / "meta.json";
  write(meta, R"({"started_at":"2026-07-09T23:30:00Z"})");
  const fs::path file = recording(in() / "a.wav", wav(100));
  ASSERT_EQ(bare({"ingest", file.string(), "--own", "--meta", meta.string()}).code, 0);
  const auto found = [&](const char* from, const char* to) {
    return json(bare({"list", "--json", "--from", from, "--to", to})).size();
  };
  EXPECT_EQ(found("2026-07-10", "2026-07-10"), 1U);
  EXPECT_EQ(found("2026-07-09", "2026-07-09"), 0U);
  EXPECT_EQ(found("2026-07-09T23:30:00Z", "2026-07-09T23:30:00Z"), 1U);
  EXPECT_EQ(found("2026-07-09T23:30:01Z", "2026-07-31"), 0U);
  EXPECT_EQ(bare({"list", "--from", "2026-02-31"}).code, 2);
  EXPECT_EQ(bare({"list", "--from", "2026-07-11", "--to", "2026-07-10"}).code, 2);
  EXPECT_EQ(bare({"list", "--from", "yesterday"}).code, 2);
}

TEST_F(Cli, ShowTellsTheCallToAnIdentityOnly) {
  const std::string id = take_in(kCallName);
  const Ran without = bare({"show", id, "--json"});
  ASSERT_EQ(without.code, 0);
  EXPECT_FALSE(json(without).contains("from"));
  const Ran with = recovery_does({"show", id, "--json"});
  ASSERT_EQ(with.code, 0) << with.err;
  EXPECT_EQ(json(with)["to"], "0115496555");
  EXPECT_EQ(json(with)["name"], kCallName);
}

TEST_F(Cli, CustomersAreNamedToAnIdentityOnly) {
  const Ran without = bare({"customer", "list", "--json"});
  ASSERT_EQ(without.code, 0);
  ASSERT_EQ(json(without).size(), 2U);
  EXPECT_EQ(keys(json(without)[0]), (std::set<std::string>{"id", "state", "created_at", "linger"}));
  EXPECT_EQ(json(without)[0]["linger"], 5);
  const Ran with = recovery_does({"customer", "show", "acme", "--json"});
  EXPECT_EQ(json(with)["name"], kCustomerName);
  EXPECT_EQ(bare({"customer", "show", "nobody"}).code, 3);
}

TEST_F(Cli, AClosedCustomerTakesNothingIn) {
  ASSERT_EQ(manager({"customer", "close", "beta", "--json"}).code, 0);
  EXPECT_EQ(json(bare({"customer", "show", "beta", "--json"}))["state"], "closed");
  const fs::path file = recording(in() / "a.wav", wav(100));
  EXPECT_EQ(bare({"ingest", file.string(), "--customer", "beta"}).code, 4);
  EXPECT_EQ(json(bare({"list", "--json"})).size(), 0U);
}

TEST_F(Cli, DeliveryShowListRevokeReissue) {
  const std::string id = take_in();
  const std::string first = json(manager({"deliver", "acme", id, "--json"}))[0]["delivery"];
  const Json shown = json(bare({"delivery", "show", first, "--json"}));
  EXPECT_EQ(shown["state"], "open");
  ASSERT_EQ(shown["items"].size(), 1U);
  EXPECT_EQ(keys(shown["items"][0]),
            (std::set<std::string>{"recording", "state", "restricted", "size", "sent", "delivered_at"}));
  EXPECT_EQ(shown["items"][0]["recording"], id);
  EXPECT_EQ(shown["warnings"].size(), 0U);

  const Ran again = manager({"delivery", "reissue", first, "--json", "--expires", "2h"});
  ASSERT_EQ(again.code, 0) << again.err;
  const std::string second = json(again)[0]["delivery"];
  const Json list = json(bare({"delivery", "list", "--json"}));
  ASSERT_EQ(list.size(), 2U);
  for (const auto& d : list) EXPECT_EQ(d["state"], d["delivery"] == second ? "open" : "revoked");

  ASSERT_EQ(manager({"delivery", "revoke", second}).code, 0);
  EXPECT_EQ(manager({"delivery", "revoke", second}).code, 3);
  EXPECT_EQ(json(bare({"list", "--json"}))[0]["state"], "sealed");
}

// ---- grants ----

TEST_F(Cli, AGrantIsMadeShownAndRevoked) {
  const std::string a = take_in();
  const std::string b = take_in("b.wav", wav(2000));
  const Ran made = manager({"grant", a, b, "--to", "front-desk", "--expires", "12h", "--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Json g = json(made)[0];
  EXPECT_EQ(keys(g), (std::set<std::string>{"grant", "account", "password", "host", "port", "fingerprint", "recordings",
                                            "bytes", "expires"}));
  EXPECT_EQ(g["account"], "front-desk");
  EXPECT_EQ(g["password"].get<std::string>().size(), 29U);
  EXPECT_EQ(g["recordings"], 2);
  EXPECT_EQ(g["bytes"], 3088);
  EXPECT_EQ(all_bytes(vault()).find(g["password"].get<std::string>()), std::string::npos);

  const std::string id = g["grant"];
  const Json listed = json(bare({"grant", "list", "--json"}));
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(keys(listed[0]), (std::set<std::string>{"grant", "account", "state", "created_at", "expires", "last_login",
                                                    "ended_at", "recordings", "readable"}));
  EXPECT_EQ(listed[0]["state"], "open");
  EXPECT_EQ(listed[0]["readable"], 2);
  ASSERT_EQ(manager({"restrict", b}).code, 0);
  const Json shown = json(bare({"grant", "show", id, "--json"}));
  EXPECT_EQ(shown["readable"], 1);
  EXPECT_EQ(shown["items"][0], (Json{{"recording", a}, {"state", "readable"}, {"size", 1044}}));
  EXPECT_EQ(shown["items"][1]["state"], "restricted");
  EXPECT_EQ(manager({"grant", b, "--to", "front-desk"}).code, 8);
  EXPECT_NE(bare({"grant", "show", id}).out.find("front-desk: open"), std::string::npos);

  EXPECT_EQ(recovery_does({"grant", "revoke", id}).code, 4);
  EXPECT_EQ(manager({"grant", "revoke", id, id}).code, 2);
  ASSERT_EQ(manager({"grant", "revoke", id}).code, 0);
  EXPECT_EQ(manager({"grant", "revoke", id}).code, 3);
  EXPECT_EQ(json(bare({"grant", "list", "--json"}))[0]["state"], "revoked");
  EXPECT_EQ(bare({"check"}).code, 0);
}

TEST_F(Cli, TheGranteesLetterSaysHowToReadAndThatItIsLogged) {
  const std::string id = take_in(kCallName);
  const Ran made = manager({"grant", id, "--to", "front-desk"});
  ASSERT_EQ(made.code, 0) << made.err;
  for (const char* part : {"sftp front-desk@HOST", "account   front-desk", "host key  ED25519 SHA256:", "until     20",
                           "WinSCP or FileZilla", "reading deletes nothing", "named in the audit log", "1 recording, "})
    EXPECT_NE(made.out.find(part), std::string::npos) << part << "\n" << made.out;
  EXPECT_EQ(made.out.find("0115496555"), std::string::npos);
  EXPECT_EQ(made.out.find("deleted for good"), std::string::npos);
}

TEST_F(Cli, AGrantAsAFileOpensWithItsPassword) {
  const std::string content = wav(150'000, 'z');
  const std::string id = take_in("a.wav", content);
  const fs::path file = folder_ / "call.wav.age";
  const Ran made = manager({"grant", id, "--to", "police", "--out", file.string(), "--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Json g = json(made)[0];
  EXPECT_EQ(g["file"], file.string());
  EXPECT_TRUE(g["expires"].is_null());
  EXPECT_TRUE(g["host"].is_null());
  EXPECT_EQ(fs::status(file).permissions(), fs::owner_read | fs::owner_write);
  write(folder_ / "password", g["password"].get<std::string>() + "\n");
  const auto open = [&](const char* password) {
    return bare({"open", file.string(), "-o", out().string(), "--passphrase-file", (folder_ / password).string()}).code;
  };
  EXPECT_EQ(open("password"), 0);
  EXPECT_EQ(read(out()), content);
  fs::remove(out());
  write(folder_ / "wrong", "00000-00000-00000-00000-00000\n");
  EXPECT_EQ(open("wrong"), 4);
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_EQ(json(bare({"grant", "list", "--json"}))[0]["state"], "exported");
  EXPECT_EQ(manager({"grant", "revoke", g["grant"]}).code, 3);
  EXPECT_EQ(bare({"check"}).code, 0);

  const Ran again = manager({"grant", id, "--to", "police", "--out", file.string()});
  EXPECT_EQ(again.code, 2);
  EXPECT_EQ(again.out, "");
  const Ran letter = manager({"grant", id, "--to", "police", "--out", (folder_ / "b.age").string()});
  ASSERT_EQ(letter.code, 0) << letter.err;
  EXPECT_NE(letter.out.find("age -d -o \"b\" \"b.age\""), std::string::npos) << letter.out;
  EXPECT_NE(letter.out.find("cannot be recalled"), std::string::npos);
}

TEST_F(Cli, AGrantAsAFileThatFailsLeavesNothing) {
  const std::string id = take_in("a.wav", wav(150'000));
  flip_byte(object(id), 40);
  const std::size_t before = files_in(folder_.path());
  EXPECT_EQ(manager({"grant", id, "--to", "police", "--out", (folder_ / "a.age").string()}).code, 6);
  EXPECT_EQ(manager({"grant", id, "--to", "police", "--out", "/dev/full/a.age"}).code, 1);
  EXPECT_EQ(manager({"grant", id, "--to", "acme", "--out", (folder_ / "a.age").string()}).code, 2);
  EXPECT_EQ(files_in(folder_.path()), before);
  EXPECT_EQ(json(bare({"grant", "list", "--json"})).size(), 0U);
}

TEST_F(Cli, AGrantThatCannotBeMadeSaysWhy) {
  const std::string id = take_in();
  const std::vector<std::vector<std::string>> usage{{"grant"},
                                                    {"grant", id},
                                                    {"grant", "--to", "police"},
                                                    {"grant", "acme", "--to", "police"},
                                                    {"grant", id, "--to", "acme"},
                                                    {"grant", id, "--to", "Police Station"},
                                                    {"grant", id, id, "--to", "police"},
                                                    {"grant", id, "--to", "police", "--expires", "soon"},
                                                    {"grant", id, "--to", "police", "--out", "-"},
                                                    {"grant", id, "--to", "police", "--out", "x", "--expires", "1d"},
                                                    {"grant", id, id, "--to", "police", "--out", "x"}};
  for (const auto& words : usage) {
    const Ran ran = manager(words);
    EXPECT_EQ(ran.code, 2) << words.back();
    EXPECT_TRUE(ran.err.starts_with("callvault: error: ")) << ran.err;
    EXPECT_EQ(ran.out, "") << words.back();
  }
  EXPECT_EQ(manager({"grant", "r-0000000000000000", "--to", "police"}).code, 3);
  EXPECT_EQ(recovery_does({"grant", id, "--to", "police"}).code, 4);
  EXPECT_EQ(bare({"grant", "show", "g-0000000000000000"}).code, 3);
  EXPECT_EQ(json(bare({"grant", "list", "--json"})).size(), 0U);
  ASSERT_EQ(manager({"grant", id, "--to", "gamma"}).code, 0);
  EXPECT_EQ(manager({"customer", "add", "gamma"}).code, 2);
}

TEST_F(Cli, RestrictAndRelease) {
  const std::string id = take_in("a.wav");
  const std::string other = take_in("b.wav", wav(2000));
  const Ran held = manager({"restrict", id, "--reason", "asked by Jo Brightwater", "--json"});
  ASSERT_EQ(held.code, 0) << held.err;
  EXPECT_EQ(json(held), Json::array({{{"id", id}, {"ok", true}, {"error", nullptr}}}));
  EXPECT_EQ(all_bytes(vault()).find("Brightwater"), std::string::npos);
  EXPECT_NE(manager({"audit", "show"}).out.find("Brightwater"), std::string::npos);
  for (const auto& r : json(bare({"list", "--json"}))) EXPECT_EQ(r["restricted"], r["id"] == id);
  EXPECT_NE(bare({"list"}).out.find("sealed, restricted"), std::string::npos);
  EXPECT_NE(bare({"show", id}).out.find("\nrestricted: since 20"), std::string::npos);
  EXPECT_EQ(bare({"show", other}).out.find("restricted"), std::string::npos);
  EXPECT_TRUE(json(bare({"show", id, "--json"}))["restricted_since"].is_string());

  const Ran refused = manager({"deliver", "acme", other, id});
  EXPECT_EQ(refused.code, 8);
  EXPECT_NE(refused.err.find(id), std::string::npos);
  const Ran all = manager({"deliver", "acme", "--all", "--json"});
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_EQ(json(all)[0]["recordings"], 1);
  EXPECT_NE(all.err.find("because restricted: 1"), std::string::npos);
  EXPECT_EQ(manager({"get", id, "-o", out().string()}).code, 0);

  const Ran some = manager({"restrict", id, other, "r-0000000000000000", "--json"});
  EXPECT_EQ(some.code, 1);
  ASSERT_EQ(json(some).size(), 3U);
  EXPECT_EQ(json(some)[1]["ok"], true);
  EXPECT_NE(some.err.find("2 of 3"), std::string::npos);
  EXPECT_TRUE(json(bare({"delivery", "show", json(all)[0]["delivery"], "--json"}))["items"][0]["restricted"]);
  EXPECT_EQ(manager({"restrict", id}).code, 3);
  EXPECT_EQ(manager({"release", "r-0000000000000000"}).code, 3);
  EXPECT_EQ(manager({"release", id, other}).code, 0);
  EXPECT_EQ(manager({"release", id}).code, 3);
  EXPECT_EQ(manager({"deliver", "acme", id}).code, 0);
  EXPECT_EQ(bare({"check"}).code, 0);
}

TEST_F(Cli, ADeliveryThatIsReadAgainAndAgainIsWarnedOf) {
  const std::string id = take_in();
  const std::string delivery = json(manager({"deliver", "acme", id, "--json"}))[0]["delivery"];
  sql("UPDATE item SET sent = 3132");  // 3 times the size: no more than slow resuming makes
  EXPECT_EQ(json(bare({"delivery", "show", delivery, "--json"}))["warnings"].size(), 0U);
  sql("UPDATE item SET sent = 3133");
  EXPECT_EQ(json(bare({"delivery", "show", delivery, "--json"}))["warnings"].size(), 1U);
  EXPECT_NE(bare({"delivery", "show", delivery}).out.find("warning: " + id), std::string::npos);
}

TEST_F(Cli, HostAndPortComeFromTheRunningDaemonUnlessTheConfigurationSaysOthers) {
  take_in();
  write(vault() / "run" / "address", "[2001:db8::1]:2222\n");
  Json d = json(manager({"deliver", "acme", "--all", "--json"}))[0];
  EXPECT_EQ(d["host"], "2001:db8::1");
  EXPECT_EQ(d["port"], 2222);
  std::string config = read(vault() / "callvault.toml");
  const auto line = config.find("public_host = ");
  ASSERT_NE(line, std::string::npos);
  config.replace(line, config.find(' ', line + 14) - line, "public_host = 'sftp.example.org'");
  write(vault() / "callvault.toml", config);
  d = json(manager({"delivery", "reissue", d["delivery"], "--json"}))[0];
  EXPECT_EQ(d["host"], "sftp.example.org");
  EXPECT_EQ(d["port"], 2222);
  const Json host = json(bare({"hostkey", "--json"}));
  EXPECT_EQ(host["fingerprint"], d["fingerprint"]);
  EXPECT_EQ(host["known_hosts"], "[sftp.example.org]:2222 " + host["public_key"].get<std::string>());
  write(vault() / "run" / "address", "evil\x1b[31m:99999\n");
  EXPECT_EQ(bare({"hostkey"}).code, 0);
}

TEST_F(Cli, TheLetterShowsThePasswordOnceAndHowToConnect) {
  take_in();
  write(vault() / "run" / "address", "127.0.0.1:2022");
  const Ran ran = manager({"deliver", "acme", "--all"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("sftp -P 2022 acme@127.0.0.1\n"), std::string::npos) << ran.out;
  const auto at = ran.out.find("password  ");
  ASSERT_NE(at, std::string::npos);
  const std::string password = ran.out.substr(at + 10, 29);
  EXPECT_EQ(password[5], '-');
  EXPECT_EQ(ran.out.find(password, at + 11), std::string::npos);
  EXPECT_EQ(ran.out.find("<password>"), std::string::npos);
}

TEST_F(Cli, AuditShowsVerifiesAndPointsAtItself) {
  const std::string id = take_in();
  const Json entries = json(bare({"audit", "show", "--json"}));
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(keys(entries[0]), (std::set<std::string>{"seq", "time", "event", "actor", "subjects"}));
  EXPECT_EQ(entries[3]["event"], "recording.sealed");
  EXPECT_EQ(entries[3]["subjects"][0], id);
  EXPECT_EQ(json(bare({"audit", "show", "--limit", "1", "--json"}))[0]["seq"], 3);
  EXPECT_EQ(json(bare({"audit", "show", "--from", "1", "--limit", "1", "--json"}))[0]["seq"], 1);

  const Ran checkpoint = bare({"audit", "checkpoint"});
  write(folder_ / "checkpoint", checkpoint.out);
  take_in("b.wav", wav(10));
  EXPECT_EQ(bare({"audit", "verify", "--checkpoint", (folder_ / "checkpoint").string()}).code, 0);
  EXPECT_EQ(json(bare({"audit", "verify", "--json"}))["entries"], 5);
  sql("DELETE FROM audit WHERE seq = 4");
  EXPECT_EQ(bare({"audit", "verify"}).code, 6);
  EXPECT_EQ(bare({"check"}).code, 6);
  EXPECT_EQ(recovery_does({"audit", "show"}).code, 4);  // details are not for the recovery
}

TEST_F(Cli, CheckPrintsFindingsAsJson) {
  const Ran ran = bare({"check", "--json"});
  EXPECT_EQ(ran.code, 0);
  const Json j = json(ran);
  EXPECT_EQ(keys(j), (std::set<std::string>{"findings", "environment"}));
  for (const auto& finding : j["findings"]) EXPECT_EQ(finding["weight"], "warning") << finding;
  EXPECT_EQ(keys(j["environment"]),
            (std::set<std::string>{"memory_lock_bytes", "landlock_abi", "seccomp", "swap_reaches_disk"}));
}

// ---- taking out ----

TEST_F(Cli, GetGivesTheSameBytesAndLeavesATrace) {
  const std::string content = wav(200'000, 'x');
  const std::string id = take_in("a.wav", content);
  const Ran ran = manager({"get", id, "-o", out().string()});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(read(out()), content);
  EXPECT_EQ(fs::status(out()).permissions(), fs::owner_read | fs::owner_write);
  EXPECT_EQ(recovery_does({"get", id, "-o", "-"}).out, content);
  const Json entries = json(bare({"audit", "show", "--json"}));
  EXPECT_EQ(entries[entries.size() - 1]["event"], "recording.read");
  EXPECT_EQ(entries[entries.size() - 1]["actor"], "recovery");
  EXPECT_EQ(entries[entries.size() - 2]["actor"], "it-manager");
  EXPECT_EQ(entries[entries.size() - 2]["subjects"][0], id);
}

TEST_F(Cli, GetNeverOverwritesUnlessForced) {
  const std::string id = take_in();
  write(out(), "mine");
  EXPECT_EQ(recovery_does({"get", id, "-o", out().string()}).code, 2);
  EXPECT_EQ(read(out()), "mine");
  EXPECT_EQ(recovery_does({"get", id, "-o", out().string(), "--force"}).code, 0);
  EXPECT_EQ(read(out()), wav(1000));
}

TEST_F(Cli, GetOfADamagedRecordingLeavesNoFile) {
  const std::string id = take_in("a.wav", wav(400'000));
  flip_byte(object(id), 100'000);  // the end is whole: it shows only while reading
  const fs::path place = folder_ / "place";
  fs::create_directory(place);
  const Ran ran = recovery_does({"get", id, "-o", (place / "out.wav").string()});
  EXPECT_EQ(ran.code, 6) << ran.err;
  EXPECT_EQ(files_in(place), 0U);
  EXPECT_EQ(recovery_does({"get", id, "--age", "-o", (place / "out.age").string()}).code, 6);
  EXPECT_EQ(files_in(place), 0U);
}

TEST_F(Cli, GetWithoutARoomForTheFileFails) {
  const std::string id = take_in();
  EXPECT_EQ(recovery_does({"get", id, "-o", (folder_ / "no" / "such").string()}).code, 3);
  EXPECT_EQ(recovery_does({"get", "r-0000000000000000", "-o", out().string()}).code, 3);
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(Cli, AnExportedAgeFileOpensWithAgeAndWithUs) {
  const std::string content = wav(150'000, 'y');
  const std::string id = take_in("a.wav", content);
  const std::string exported = (folder_ / "out.age").string();
  const Ran ran = recovery_does({"get", id, "--age", "-o", exported});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("cannot be recalled"), std::string::npos);
  const Json entries = json(bare({"audit", "show", "--json"}));
  EXPECT_EQ(entries[entries.size() - 1]["event"], "recording.exported");
  EXPECT_EQ(recovery_does({"open", exported, "-o", out().string()}).code, 0);
  EXPECT_EQ(read(out()), content);
  EXPECT_EQ(recovery_does({"open", exported, "-o", out().string()}).code, 2);  // it exists
  const Ran age = testkit::run({"age", "-d", "-i", recovery(), exported});
  if (age.code == 127) GTEST_SKIP() << "SKIPPED: age not installed";
  EXPECT_EQ(age.code, 0) << age.err;
  EXPECT_EQ(age.out, content);
}

TEST_F(Cli, OpenAsksForThePassphraseOfAnAgeFile) {
  // The IT Manager's identity file is an age file under a passphrase: no vault and no identity is needed for it.
  const Ran ran = testkit::run({CALLVAULT_BINARY, "open", identity(), "-o", "-", "--passphrase-file", passphrase()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("AGE-SECRET-KEY-1"), std::string::npos);
  write(folder_ / "wrong", "wrong passphrase\n");
  EXPECT_EQ(bare({"open", identity(), "-o", out().string(), "--passphrase-file", (folder_ / "wrong").string()}).code,
            4);
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_EQ(bare({"open", passphrase(), "-o", out().string()}).code, 6);  // not an age file
  EXPECT_FALSE(fs::exists(out()));
}

// ---- exit codes ----

TEST_F(Cli, WrongCommandLinesAreUsage) {
  const Ran unknown = bare({"frobnicate"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("unknown command or option: frobnicate"), std::string::npos) << unknown.err;
  EXPECT_NE(unknown.err.find("init customer ingest watch list show get verify deliver delivery grant standing restrict "
                             "release open audit check hostkey"),
            std::string::npos);
  EXPECT_EQ(bare({}).code, 2);
  EXPECT_EQ(bare({"deliver"}).code, 2);
  EXPECT_EQ(bare({"get", "r-0000000000000000"}).code, 2);
  EXPECT_EQ(bare({"ingest", in().string()}).code, 2);
  EXPECT_EQ(bare({"ingest", in().string(), "--own", "--customer", "acme"}).code, 2);
  EXPECT_EQ(bare({"list", "--frobnicate"}).code, 2);
  EXPECT_EQ(bare({"list", "--state", "molten"}).code, 2);
  EXPECT_EQ(bare({"audit", "show", "--limit", "-1"}).code, 2);
  EXPECT_EQ(bare({"deliver", "acme"}).code, 2);
  EXPECT_EQ(bare({"deliver", "acme", "--all", "--expires", "soon"}).code, 2);
  EXPECT_EQ(bare({"get", "r-0000000000000000", "-o", out().string()}).code, 2);  // no identity
  EXPECT_EQ(testkit::run({CALLVAULT_BINARY, "list"}).code, 2);                   // no vault
}

TEST_F(Cli, ErrorsGoToStderrInLowerCaseWithoutAFullStop) {
  const Ran ran = bare({"show", "r-0000000000000000", "--json"});
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "callvault: error: r-0000000000000000: no such recording\n");
}

TEST_F(Cli, HelpAndVersion) {
  EXPECT_EQ(bare({"--version"}).code, 0);
  EXPECT_TRUE(bare({"--version"}).out.starts_with("callvault "));
  for (const char* command : {"init", "customer", "ingest", "watch", "list", "show", "get", "verify", "deliver",
                              "delivery", "grant", "standing", "open", "audit", "check", "hostkey"}) {
    const Ran help = bare({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_NE(help.out.find("Example:\n  callvault " + std::string(command)), std::string::npos) << command;
  }
}

TEST_F(Cli, GlobalOptionsStandBeforeAndBehindTheCommand) {
  const std::string v = vault().string();
  EXPECT_EQ(testkit::run({CALLVAULT_BINARY, "--vault", v, "--json", "customer", "list"}).out,
            testkit::run({CALLVAULT_BINARY, "customer", "list", "--json", "--vault", v}).out);
}

TEST_F(Cli, WordsThatAreCommandsCanBeNamesOfFilesAndCustomers) {
  const fs::path file = recording(in() / "list", wav(100));
  const std::vector<std::string> words{
      "/bin/sh", "-c",          "cd \"$1\" && exec \"$2\" ingest list --customer acme --json",
      "sh",      in().string(), CALLVAULT_BINARY};
  const Ran ran = testkit::run(words, {{"CALLVAULT_DIR", vault().string()}});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(json(ran)[0]["name"], "list");
}

TEST_F(Cli, NothingThere) {
  EXPECT_EQ(bare({"list", "--vault", (folder_ / "nowhere").string()}).code, 3);
  EXPECT_EQ(bare({"ingest", in().string(), "--customer", "nobody"}).code, 3);
  EXPECT_EQ(bare({"ingest", (in() / "missing.wav").string(), "--own"}).code, 3);
  EXPECT_EQ(bare({"list", "--customer", "nobody"}).code, 3);
  EXPECT_EQ(bare({"delivery", "show", "d-0000000000000000"}).code, 3);
  EXPECT_EQ(bare({"verify", "r-0000000000000000"}).code, 3);
  EXPECT_EQ(manager({"deliver", "acme", "--all"}).code, 3);
  EXPECT_EQ(manager({"deliver", "nobody", "--all"}).code, 3);
}

TEST_F(Cli, WrongPassphraseIsDenied) {
  write(folder_ / "wrong", "incorrect horse\n");
  fs::permissions(folder_ / "wrong", fs::owner_read | fs::owner_write);
  const Ran ran =
      bare({"customer", "list", "--json", "--identity", identity(), "--passphrase-file", (folder_ / "wrong").string()});
  EXPECT_EQ(ran.code, 4);
  EXPECT_EQ(ran.out, "");
}

TEST_F(Cli, NoTerminalAndNoPassphraseFileIsDeniedWithAHint) {
  const Ran ran = bare({"customer", "add", "gamma", "--identity", identity()});
  EXPECT_EQ(ran.code, 4);
  EXPECT_NE(ran.err.find("callvault: hint: give --passphrase-file FILE\n"), std::string::npos) << ran.err;
  const Ran list = bare({"customer", "list", "--json", "--identity", identity()});  // works, with less in it
  EXPECT_EQ(list.code, 0);
  EXPECT_FALSE(json(list)[0].contains("name"));
  EXPECT_NE(list.err.find("the identity stays locked"), std::string::npos);
}

TEST_F(Cli, APassphraseFileThatOthersCanReadIsWarnedOf) {
  fs::copy(passphrase(), folder_ / "open");
  fs::permissions(folder_ / "open", fs::owner_read | fs::owner_write | fs::others_read);
  const Ran ran = bare({"customer", "show", "acme", "--json", "--identity", identity(), "--passphrase-file",
                        (folder_ / "open").string()});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.err.find("callvault: warning: others can read the passphrase file"), std::string::npos);
}

TEST_F(Cli, AStrangersIdentityIsDenied) {
  const std::string id = take_in();
  const Ran keygen = testkit::run({"age-keygen", "-o", (folder_ / "stranger").string()});
  if (keygen.code == 127) GTEST_SKIP() << "SKIPPED: age not installed";
  const std::string stranger = (folder_ / "stranger").string();
  EXPECT_EQ(bare({"get", id, "-o", out().string(), "--identity", stranger}).code, 4);
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_EQ(bare({"customer", "add", "gamma", "--identity", stranger}).code, 4);
}

TEST_F(Cli, TheRecoveryChangesNothing) {
  take_in();
  EXPECT_EQ(recovery_does({"deliver", "acme", "--all"}).code, 4);
  EXPECT_EQ(recovery_does({"customer", "add", "gamma"}).code, 4);
  EXPECT_EQ(recovery_does({"restrict", json(bare({"list", "--json"}))[0]["id"]}).code, 4);
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 0U);
  EXPECT_EQ(json(bare({"customer", "list", "--json"})).size(), 2U);
}

TEST_F(Cli, AnIdentityInsideTheVaultIsRefused) {
  const std::string v = (folder_ / "second").string();
  const Ran ran = testkit::run({CALLVAULT_BINARY, "init", v, "--operator", "X", "--identity-out", v + "/it.age",
                                "--recovery-out", (folder_ / "r").string(), "--passphrase-file", passphrase()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_FALSE(fs::exists(v));
  EXPECT_FALSE(fs::exists(folder_ / "r"));
}

TEST_F(Cli, AnUnreadableFileFails) {
  const fs::path file = recording(in() / "a.wav", wav(100));
  fs::permissions(file, fs::no_perms);
  std::vector<std::string> command{CALLVAULT_BINARY, "--vault", vault().string(), "ingest", file.string(), "--own"};
  // Root reads every file, unless it gives that right up.
  if (::geteuid() == 0) command.insert(command.begin(), {"setpriv", "--bounding-set=-dac_override,-dac_read_search"});
  const Ran ran = testkit::run(command);
  EXPECT_EQ(ran.code, 4) << ran.err;
}

TEST_F(Cli, AWavWithoutSoundIsQuarantinedAndItsSourceStays) {
  const fs::path file = recording(in() / "a.wav", wav(0));
  ASSERT_EQ(fs::file_size(file), 44U);
  const Ran ran = bare({"ingest", file.string(), "--customer", "acme", "--remove-source", "--json"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(json(ran)[0]["quarantined"], true);
  EXPECT_TRUE(json(ran)[0]["error"].is_string());
  EXPECT_TRUE(fs::exists(file));
  EXPECT_TRUE(json(bare({"list", "--json"}))[0]["quarantined"].is_string());
  EXPECT_NE(bare({"list"}).out.find("quarantined"), std::string::npos);
  EXPECT_EQ(manager({"deliver", "acme", "--all"}).code, 3);
}

TEST_F(Cli, SomeOfSeveralFailedIsOne) {
  recording(in() / "a.wav", wav(100));
  const Ran ran = bare(
      {"ingest", (in() / "a.wav").string(), (in() / "missing.wav").string(), "--own", "--json", "--remove-source"});
  EXPECT_EQ(ran.code, 1);
  ASSERT_EQ(json(ran).size(), 2U);
  EXPECT_TRUE(json(ran)[0]["error"].is_null());
  EXPECT_TRUE(json(ran)[1]["error"].is_string());
  EXPECT_FALSE(fs::exists(in() / "a.wav"));
}

TEST_F(Cli, AGrowingFileIsBusy) {
  write(in() / "a.wav", wav(100));  // changed just now
  EXPECT_EQ(bare({"ingest", (in() / "a.wav").string(), "--own"}).code, 7);
  recording(in() / "b.wav", wav(100));
  std::ofstream writer((in() / "b.wav").string(), std::ios::app);
  fs::last_write_time(in() / "b.wav", 1'700'000'000);
  EXPECT_EQ(bare({"ingest", (in() / "b.wav").string(), "--own"}).code, 7);
  EXPECT_EQ(json(bare({"list", "--json"})).size(), 0U);
}

TEST_F(Cli, TheSameRecordingTwiceIsBusy) {
  const std::string id = take_in();
  ASSERT_EQ(manager({"deliver", "acme", id}).code, 0);
  EXPECT_EQ(manager({"deliver", "acme", id}).code, 7);
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 1U);
}

TEST_F(Cli, OneBadRecordingAndNothingIsDelivered) {
  const std::string good = take_in("a.wav");
  const std::string bad = take_in("b.wav", wav(5000));
  sql("UPDATE recording SET call_time = call_time + 1 WHERE id = '" + bad + "'");
  EXPECT_EQ(manager({"deliver", "acme", good, bad}).code, 6);
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 0U);
}

TEST_F(Cli, OneCustomerThatFailsDoesNotStopTheOthers) {
  take_in("a.wav");
  const fs::path file = recording(in() / "b.wav", wav(77));
  ASSERT_EQ(bare({"ingest", file.string(), "--customer", "beta"}).code, 0);
  const Ran some = manager({"deliver", "nobody", "acme", "beta", "--all", "--json"});
  EXPECT_EQ(some.code, 1);
  EXPECT_NE(some.err.find("customer nobody: no such customer"), std::string::npos) << some.err;
  EXPECT_NE(some.err.find("1 of 3 customers failed"), std::string::npos) << some.err;
  ASSERT_EQ(json(some).size(), 2U);
  EXPECT_NE(json(some)[0]["password"], json(some)[1]["password"]);
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 2U);
  EXPECT_EQ(manager({"deliver", "nobody", "nobody-else", "--all"}).code, 3);
  const Ran nothing = manager({"deliver", "acme", "beta", "--all"});
  EXPECT_EQ(nothing.code, 3);
  EXPECT_NE(nothing.err.find("warning: nothing to deliver to beta"), std::string::npos);
}

TEST_F(Cli, EveryCustomer) {
  take_in("a.wav");
  const Ran ran = manager({"deliver", "--every-customer", "--all", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  ASSERT_EQ(json(ran).size(), 1U);  // beta has nothing
  EXPECT_EQ(json(ran)[0]["account"], "acme");
  EXPECT_EQ(ran.err.find("beta"), std::string::npos);
  EXPECT_EQ(manager({"deliver", "--every-customer", "--all"}).code, 3);
  EXPECT_EQ(bare({"deliver", "--every-customer", "acme", "--all"}).code, 2);
  ASSERT_EQ(manager({"customer", "close", "beta"}).code, 0);
  const Ran collecting = manager({"deliver", "--every-customer", "--collect", "--json"});
  ASSERT_EQ(collecting.code, 0) << collecting.err;
  EXPECT_EQ(json(collecting).size(), 1U);
}

TEST_F(Cli, CollectPrintsSoManyPasswords) {
  const Ran ran = manager({"deliver", "acme", "--collect", "--count", "3", "--expires", "7d", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json all = json(ran);
  ASSERT_EQ(all.size(), 3U);
  std::set<std::string> passwords;
  for (const auto& d : all) {
    EXPECT_EQ(keys(d), (std::set<std::string>{"delivery", "account", "password", "host", "port", "fingerprint",
                                              "recordings", "bytes", "expires", "collecting", "number", "of"}));
    passwords.insert(d["password"]);
  }
  EXPECT_EQ(passwords.size(), 3U);
  EXPECT_LT(all[0]["expires"], all[1]["expires"]);
  const std::string id = take_in();
  const Json list = json(bare({"delivery", "list", "--json"}));
  ASSERT_EQ(list.size(), 3U);
  for (const auto& d : list) {
    EXPECT_TRUE(d["collecting"]);
    EXPECT_EQ(d["recordings"], d["delivery"] == all[0]["delivery"] ? 1 : 0);
  }
  EXPECT_NE(bare({"delivery", "list"}).out.find("open, collecting"), std::string::npos);
  ASSERT_EQ(manager({"delivery", "revoke", all[0]["delivery"]}).code, 0);
  const Ran shown = bare({"delivery", "show", all[0]["delivery"]});
  EXPECT_NE(shown.out.find("not fetched, and held in no delivery since: 1"), std::string::npos) << shown.out;
  const Ran again = manager({"delivery", "reissue", all[1]["delivery"], "--json"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(json(again)[0]["collecting"]);
  const Ran with_held = manager({"deliver", "acme", "--collect", "--all"});
  ASSERT_EQ(with_held.code, 0) << with_held.err;
  EXPECT_NE(with_held.out.find("1 recording,"), std::string::npos) << with_held.out;
  EXPECT_EQ(bare({"check"}).code, 0);
}

TEST_F(Cli, CollectRefusesWhatDoesNotFit) {
  EXPECT_EQ(bare({"deliver", "acme", "--collect", "--count", "0"}).code, 2);
  EXPECT_EQ(bare({"deliver", "acme", "--collect", "--count", "9"}).code, 2);
  EXPECT_EQ(bare({"deliver", "acme", "--all", "--count", "2"}).code, 2);
  ASSERT_EQ(manager({"deliver", "acme", "--collect", "--count", "5"}).code, 0);
  const Ran ran = manager({"deliver", "acme", "--collect", "--count", "4"});
  EXPECT_EQ(ran.code, 7);
  EXPECT_NE(ran.err.find("acme has 5 accesses open, of 8"), std::string::npos) << ran.err;
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 5U);
}

// ---- letters ----

class Letters : public Cli {
 protected:
  Letters() {
    std::string text = read(vault() / "callvault.toml");
    for (const auto& [key, value] :
         {std::pair<std::string, std::string>{"public_host = ", "\"sftp.example.net\""}, {"public_port = ", "2222"}}) {
      const auto at = text.find("\n" + key) + 1 + key.size();
      text.replace(at, text.find_first_of(" \n", at) - at, value);
    }
    write(vault() / "callvault.toml", text);
  }
  fs::path letters() const { return folder_ / "letters"; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(letters()), fs::directory_iterator()));
  }
};

TEST_F(Letters, ALetterAndASheetWithThePasswordForEachDelivery) {
  take_in();
  const Ran ran = manager({"deliver", "acme", "--all", "--letters", letters().string(), "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json d = json(ran)[0];
  EXPECT_EQ(keys(d), (std::set<std::string>{"delivery", "account", "host", "port", "fingerprint", "recordings", "bytes",
                                            "expires", "letter", "password_sheet"}));
  const fs::path letter = d["letter"].get<std::string>();
  const fs::path sheet = d["password_sheet"].get<std::string>();
  const auto mine = fs::owner_read | fs::owner_write;
  EXPECT_EQ(fs::status(letters()).permissions(), mine | fs::owner_exe);
  EXPECT_EQ(fs::status(letter).permissions(), mine);
  EXPECT_EQ(fs::status(sheet).permissions(), mine);
  EXPECT_EQ(files(), 2U);
  const std::string text = read(letter);
  for (const std::string& word :
       {std::string("acme"), std::string("sftp.example.net"), std::string("2222"), d["fingerprint"].get<std::string>(),
        d["expires"].get<std::string>(), std::string("WinSCP"), std::string("FileZilla"),
        std::string("sftp -P 2222 acme@sftp.example.net"), std::string("DELETED"), std::string("Test Telecom"),
        std::string("callvault/")})
    EXPECT_NE(text.find(word), std::string::npos) << word;
  // The password stands on its sheet and nowhere else.
  const std::string paper = read(sheet);
  const auto at = paper.find("password  ");
  ASSERT_NE(at, std::string::npos);
  const std::string password = paper.substr(at + 10, 29);
  EXPECT_EQ(password.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ-*~$=U"), std::string::npos) << password;
  for (const std::string& elsewhere : {text, ran.out, ran.err, all_bytes(vault())})
    EXPECT_EQ(elsewhere.find(password), std::string::npos);
}

TEST_F(Letters, EachNamesTheHostKeyThatIsAnnounced) {
  const std::string id = take_in();
  const Ran rotated = manager({"key", "rotate", "--host-key", "--json"});
  ASSERT_EQ(rotated.code, 0) << rotated.err;
  const auto next = json(rotated)["fingerprint"].get<std::string>();
  const std::vector<std::vector<std::string>> commands = {{"standing", "add", "acme", "--category", "inbound"},
                                                          {"grant", id, "--to", "reader"},
                                                          {"deliver", "beta", "--collect"},
                                                          {"deliver", "acme", "--all"}};
  for (auto command : commands) {
    const Ran text = manager(command);
    EXPECT_NE(text.out.find("or soon   ED25519 " + next), std::string::npos) << command[0] << text.err;
    if (command[0] == "deliver") continue;  // a recording is in one delivery only
    command.push_back("--json");
    EXPECT_EQ(json(manager(command))[0]["next_fingerprint"], next) << command[0];
  }
  const Ran files = manager({"deliver", "beta", "--collect", "--letters", letters().string(), "--json"});
  ASSERT_EQ(files.code, 0) << files.err;
  EXPECT_EQ(json(files)[0]["next_fingerprint"], next);
  EXPECT_NE(read(json(files)[0]["letter"].get<std::string>()).find(next), std::string::npos);
}

TEST_F(Letters, OfSeveralPasswordsEachHasItsOwn) {
  const Ran ran = manager({"deliver", "acme", "beta", "--collect", "--count", "2", "--letters", letters().string()});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(files(), 8U);
  std::size_t second = 0;
  for (const auto& entry : fs::directory_iterator(letters()))
    second += read(entry.path()).find("opens when delivery 1 of 2") != std::string::npos ? 1 : 0;
  EXPECT_EQ(second, 2U);
}

TEST_F(Letters, WithoutAnAddressNothingIsMade) {
  write(vault() / "callvault.toml", read(made() / "vault" / "callvault.toml"));
  take_in();
  const Ran ran = manager({"deliver", "acme", "--all", "--letters", letters().string()});
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.err.find("public_host"), std::string::npos);
  EXPECT_FALSE(fs::exists(letters()));
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 0U);
}

TEST_F(Letters, AFileInTheWayOrTheVaultItselfIsRefused) {
  take_in();
  write(letters(), "not a folder");
  EXPECT_EQ(manager({"deliver", "acme", "--all", "--letters", letters().string()}).code, 2);
  EXPECT_EQ(read(letters()), "not a folder");
  EXPECT_EQ(manager({"deliver", "acme", "--all", "--letters", (vault() / "letters").string()}).code, 2);
  EXPECT_EQ(manager({"deliver", "acme", "--all", "--letters", (folder_ / "a" / "b").string()}).code, 1);
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 0U);
}

// In /proc nobody can make a file, root neither.
TEST_F(Letters, ALetterThatCannotBeWrittenRevokesItsDelivery) {
  const std::string id = take_in();
  const Ran ran = manager({"deliver", "acme", "--all", "--letters", "/proc"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("the delivery to acme was revoked"), std::string::npos) << ran.err;
  const Json list = json(bare({"delivery", "list", "--json"}));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["state"], "revoked");
  EXPECT_EQ(manager({"deliver", "acme", id}).code, 0);  // it is held, and can be delivered
}

TEST_F(Letters, WhatIsThereIsNeverOverwritten) {
  take_in();
  ASSERT_EQ(manager({"deliver", "acme", "--all", "--letters", letters().string()}).code, 0);
  std::string before;
  for (const auto& entry : fs::directory_iterator(letters())) before += read(entry.path());
  take_in("b.wav", wav(500));
  ASSERT_EQ(manager({"deliver", "acme", "--all", "--letters", letters().string()}).code, 0);
  EXPECT_EQ(files(), 4U);
}

// ---- standing ----

TEST_F(Cli, StandingAddListRevoke) {
  const fs::path file = recording(in() / "msg0001.wav", wav(300));
  ASSERT_EQ(bare({"ingest", file.string(), "--customer", "acme", "--category", "message"}).code, 0);
  const Ran added = manager({"standing", "add", "acme", "--category", "message", "--expires", "90d", "--json"});
  ASSERT_EQ(added.code, 0) << added.err;
  const Json s = json(added)[0];
  EXPECT_EQ(keys(s), (std::set<std::string>{"standing", "account", "category", "password", "host", "port",
                                            "fingerprint", "recordings", "bytes", "expires"}));
  EXPECT_EQ(s["recordings"], 1);
  EXPECT_EQ(all_bytes(vault()).find(s["password"].get<std::string>()), std::string::npos);
  const fs::path more = recording(in() / "msg0002.wav", wav(400));
  ASSERT_EQ(bare({"ingest", more.string(), "--customer", "acme", "--category", "message"}).code, 0);
  const Json list = json(bare({"standing", "list", "--json"}));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["recordings"], 2);
  EXPECT_EQ(list[0]["state"], "open");
  EXPECT_EQ(json(bare({"delivery", "list", "--json"})).size(), 0U);
  EXPECT_EQ(bare({"delivery", "show", s["standing"]}).code, 3);
  EXPECT_EQ(manager({"standing", "revoke", s["standing"]}).code, 0);
  EXPECT_EQ(manager({"standing", "revoke", s["standing"]}).code, 3);
  EXPECT_NE(bare({"standing", "list"}).out.find("revoked"), std::string::npos);
  EXPECT_EQ(bare({"check"}).code, 0);
}

TEST_F(Cli, StandingRefusesWhatItMust) {
  EXPECT_EQ(manager({"standing", "add", "nobody", "--category", "message"}).code, 3);
  EXPECT_EQ(manager({"standing", "add", "acme", "--category", "Voice Mail"}).code, 2);
  EXPECT_EQ(bare({"standing", "add", "acme"}).code, 2);
  EXPECT_EQ(recovery_does({"standing", "add", "acme", "--category", "message"}).code, 4);
  EXPECT_EQ(manager({"standing", "revoke", "s-0000000000000000"}).code, 3);
  EXPECT_EQ(json(bare({"standing", "list", "--json"})).size(), 0U);
}

TEST_F(Cli, AnEditedCollectingDeliveryHoldsTheRecordingAndIsDamage) {
  ASSERT_EQ(manager({"deliver", "acme", "--collect"}).code, 0);
  sql("UPDATE access SET customer = 'beta'");
  const fs::path file = recording(in() / "a.wav", wav(300));
  const Ran ran = bare({"ingest", file.string(), "--customer", "acme", "--json"});
  EXPECT_EQ(ran.code, 6) << ran.err;
  EXPECT_TRUE(json(ran)[0]["id"].is_string());
  EXPECT_EQ(json(bare({"list", "--json"}))[0]["state"], "sealed");
  EXPECT_EQ(bare({"check"}).code, 6);
}

// ---- damage ----

TEST_F(Cli, AFlippedByteOfAnObjectIsDamage) {
  const std::string id = take_in();
  flip_byte(object(id), 20);
  EXPECT_EQ(bare({"verify"}).code, 6);
  EXPECT_EQ(bare({"verify", id, "--json"}).code, 6);
  EXPECT_EQ(json(bare({"verify", id, "--json"}))[0]["ok"], false);
  EXPECT_EQ(bare({"check", "--objects"}).code, 6);
  EXPECT_EQ(recovery_does({"get", id, "-o", out().string()}).code, 6);
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(Cli, AMissingObjectIsDamage) {
  const std::string id = take_in();
  fs::remove(object(id));
  EXPECT_EQ(bare({"check"}).code, 6);
  EXPECT_EQ(bare({"verify"}).code, 6);
}

TEST_F(Cli, ADamagedHeaderRowIsDamage) {
  const std::string id = take_in();
  sql("UPDATE header SET sealed = 'AAAA' || substr(sealed, 5)");
  EXPECT_EQ(recovery_does({"get", id, "-o", out().string()}).code, 6);
  EXPECT_FALSE(fs::exists(out()));
  EXPECT_EQ(recovery_does({"verify"}).code, 6);
}

TEST_F(Cli, AChangedCustomerOrClassIsDamage) {
  const std::string id = take_in();
  sql("UPDATE recording SET customer = 'beta'");
  for (const char* command : {"check", "verify"}) EXPECT_EQ(bare({command}).code, 6) << command;
  EXPECT_EQ(recovery_does({"list"}).code, 6);
  EXPECT_EQ(recovery_does({"show", id}).code, 6);
  EXPECT_EQ(manager({"deliver", "beta", id}).code, 6);
  EXPECT_EQ(manager({"grant", id, "--to", "police"}).code, 6);
  const fs::path file = folder_ / "call.age";
  EXPECT_EQ(manager({"grant", id, "--to", "police", "--out", file.string()}).code, 6);
  EXPECT_FALSE(fs::exists(file));
  sql("UPDATE recording SET customer = NULL, class = 'own'");
  EXPECT_EQ(bare({"check"}).code, 6);
  EXPECT_EQ(recovery_does({"get", id, "-o", out().string()}).code, 6);
  EXPECT_FALSE(fs::exists(out()));
}

TEST_F(Cli, AnOldListOfRecipientsIsRefused) {
  const fs::path file = recording(in() / "a.wav", wav(100));
  sql("UPDATE setting SET value = '2' WHERE name = 'roster_version'");
  EXPECT_EQ(bare({"ingest", file.string(), "--own"}).code, 5);
  sql("UPDATE setting SET value = '1' WHERE name = 'roster_version'");
  flip_byte(vault() / "recipients.note", 60);
  EXPECT_EQ(bare({"ingest", file.string(), "--own"}).code, 6);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(Cli, AnIdentityFileInTheVaultIsDamage) {
  fs::copy(recovery(), vault() / "forgotten.txt");
  const Ran ran = bare({"check", "--json"});
  EXPECT_EQ(ran.code, 6);
  EXPECT_NE(ran.out.find("identity file"), std::string::npos);
}

TEST_F(Cli, AFullDiskBehindStdoutFails) {
  const Ran ran = testkit::run({"/bin/sh", "-c", "\"$1\" list --json > /dev/full", "sh", CALLVAULT_BINARY},
                               {{"CALLVAULT_DIR", vault().string()}});
  EXPECT_EQ(ran.code, 1);
  EXPECT_NE(ran.err.find("cannot write to stdout"), std::string::npos) << ran.err;
}

// ---- hostile names, and what may not leak ----

TEST_F(Cli, HostileNamesAreTakenInAndNeverReachTheTerminal) {
  const std::string clear = "\x1b[2J\x1b]0;title\a", broken = "bad\xff\xfe.wav", turn = "gpj\xe2\x80\xae.wav";
  const std::vector<std::string> names{
      clear, broken, turn, "new\nline.wav", "..hidden?.wav", "back\\slash.wav", std::string(250, 'n') + ".wav"};
  for (const auto& name : names) recording(in() / ("x" + name), wav(100));
  const Ran ran = bare({"ingest", in().string(), "--customer", "acme"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), static_cast<long>(names.size()));
  for (const std::string& bad :
       {std::string("\x1b"), std::string("\a"), std::string("\xff"), std::string("\xe2\x80\xae")}) {
    EXPECT_EQ(ran.out.find(bad), std::string::npos);
    EXPECT_EQ(ran.err.find(bad), std::string::npos);
  }
  EXPECT_NE(ran.out.find("xbad\\xff\\xfe.wav"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("xnew\\nline.wav"), std::string::npos);
  EXPECT_NE(ran.out.find("xback\\\\slash.wav"), std::string::npos);
  EXPECT_NE(ran.out.find("\\u{202e}"), std::string::npos);
  const Ran list = recovery_does({"list"});
  EXPECT_EQ(list.code, 0);
  EXPECT_EQ(list.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(json(recovery_does({"list", "--json"})).size(), names.size());
  EXPECT_EQ(manager({"deliver", "acme", "--all"}).code, 0);
}

TEST_F(Cli, PathsThatLeadUpOrAreTooLongAreNoWayOut) {
  recording(folder_ / "up.wav", wav(100));
  const Ran up = bare({"ingest", (in() / ".." / "up.wav").string(), "--own", "--json"});
  EXPECT_EQ(up.code, 0) << up.err;
  EXPECT_EQ(json(up)[0]["name"], "up.wav");
  const Ran longest = bare({"ingest", std::string(4096, 'n'), "--own"});
  EXPECT_EQ(longest.code, 1);
  const Ran hostile = bare({"ingest", "no\x1b[2J\nsuch", "--own"});
  EXPECT_EQ(hostile.code, 3);
  EXPECT_EQ((hostile.out + hostile.err).find('\x1b'), std::string::npos);
  for (const char* id : {"../../etc/passwd", "r-../../../../x", "", "r-0000000000000000' OR 1=1"}) {
    EXPECT_EQ(recovery_does({"get", id, "-o", out().string()}).code, 3) << id;
    EXPECT_EQ(bare({"show", id}).code, 3) << id;
  }
}

TEST_F(Cli, NoSecretNameOrNumberInStderrOrInTheVault) {
  std::string errors = read(made() / "init.err") + read(made() / "add.err");
  const std::string sound = "SoundThatNobodyMayHear";
  std::string content = wav(static_cast<std::uint32_t>(sound.size() * 500));
  for (std::size_t at = 44; at < content.size(); at += sound.size()) content.replace(at, sound.size(), sound);
  const std::string id = take_in(kCallName, content);
  const Ran delivered = manager({"deliver", "acme", id, "--json"});
  const std::string password = json(delivered)[0]["password"];
  const fs::path broken = recording(in() / "in-0207946000.wav", wav(0));
  errors += delivered.err + manager({"deliver", "acme", id}).err + manager({"list"}).err +
            bare({"ingest", broken.string(), "--own"}).err + recovery_does({"show", id}).err;
  const std::string stored = all_bytes(vault());
  std::string plain = password;
  plain.erase(std::remove(plain.begin(), plain.end(), '-'), plain.end());
  for (const std::string& secret :
       {password, plain, std::string(kPassphrase), std::string(kCustomerName), std::string("0115496555"),
        std::string("0207946000"), sound, std::string("AGE-SECRET-KEY")}) {
    EXPECT_EQ(errors.find(secret), std::string::npos) << errors;
    EXPECT_EQ(stored.find(secret), std::string::npos) << secret;
  }
}

// ---- the passphrase on a terminal ----

class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& arguments) {
    child_ = ::forkpty(&fd_, nullptr, nullptr, nullptr);
    if (child_ == 0) {
      ::signal(SIGINT, SIG_DFL);  // whoever runs this in the background may have it ignored
      std::vector<char*> words;
      for (const auto& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      ::execv(words[0], words.data());
      ::_exit(127);
    }
  }
  ~Terminal() { ::close(fd_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& text) {
    ASSERT_EQ(::write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Reads on until the screen shows `text` (anew) or the program ends; a minute of silence ends the program.
  bool shows(const std::string& text) {
    const auto from = screen_.size();
    for (char byte = 0; screen_.find(text, from) == std::string::npos;) {
      pollfd more{fd_, POLLIN, 0};
      if (::poll(&more, 1, 60'000) == 0) ::kill(child_, SIGKILL);
      if (::read(fd_, &byte, 1) != 1) return false;
      screen_ += byte;
    }
    return true;
  }
  bool echoes() const {
    termios settings{};
    return ::tcgetattr(fd_, &settings) == 0 && (settings.c_lflag & ECHO) != 0;
  }
  int end() {  // exit code; 128 + signal
    shows("never shown by the program");
    int status = 0;
    if (::waitpid(child_, &status, 0) != child_) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& screen() const { return screen_; }

 private:
  int fd_ = -1;
  pid_t child_ = -1;
  std::string screen_;
};

TEST_F(Cli, ATerminalIsAskedAndShowsNothingOfThePassphrase) {
  Terminal terminal(
      {CALLVAULT_BINARY, "customer", "show", "acme", "--vault", vault().string(), "--identity", identity()});
  ASSERT_TRUE(terminal.shows("Passphrase of the identity file: "));
  EXPECT_FALSE(terminal.echoes());
  terminal.type(std::string(kPassphrase) + "\n");
  EXPECT_EQ(terminal.end(), 0);
  EXPECT_NE(terminal.screen().find(kCustomerName), std::string::npos) << terminal.screen();
  EXPECT_EQ(terminal.screen().find(kPassphrase), std::string::npos);
}

TEST_F(Cli, AnInterruptAtTheQuestionTurnsTheEchoOnAgain) {
  Terminal terminal(
      {CALLVAULT_BINARY, "customer", "show", "acme", "--vault", vault().string(), "--identity", identity()});
  ASSERT_TRUE(terminal.shows("Passphrase of the identity file: "));
  ASSERT_FALSE(terminal.echoes());
  terminal.type("half\x03");
  ASSERT_TRUE(terminal.shows("\n"));
  EXPECT_EQ(terminal.end(), 128 + SIGINT);
  EXPECT_TRUE(terminal.echoes());
  EXPECT_EQ(terminal.screen().find("half"), std::string::npos);
}

// The program is held up where its question is written: the interrupt comes before it waits for the answer.
TEST_F(Cli, AnInterruptBeforeTheAnswerIsAwaitedIsNotMissed) {
  Terminal terminal({"/usr/bin/strace", "-o", (folder_ / "calls").string(), "-e", "inject=write:delay_exit=100000",
                     CALLVAULT_BINARY, "customer", "show", "acme", "--vault", vault().string(), "--identity",
                     identity()});
  ASSERT_TRUE(terminal.shows("identity file: "));
  terminal.type("\x03");
  EXPECT_EQ(terminal.end(), 128 + SIGINT) << terminal.screen();
}

TEST_F(Cli, InitAsksTwiceAndAgainWhenTheTwoDiffer) {
  const std::string f = folder_.path().string();
  Terminal terminal({CALLVAULT_BINARY, "init", f + "/new", "--operator", "X", "--identity-out", f + "/it.age",
                     "--recovery-out", f + "/recovery.txt"});
  for (const char* second : {"another one", kPassphrase}) {
    ASSERT_TRUE(terminal.shows("identity: "));
    terminal.type(std::string(kPassphrase) + "\n");
    ASSERT_TRUE(terminal.shows("Once more: "));
    terminal.type(std::string(second) + "\n");
  }
  EXPECT_EQ(terminal.end(), 0) << terminal.screen();
  EXPECT_TRUE(fs::exists(f + "/it.age"));
  EXPECT_NE(terminal.screen().find("data protection officer"), std::string::npos);
}

// --- recorders -------------------------------------------------------------------------------------------------------

constexpr const char* kKey =  // nobody's: 32 times the byte 1
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

TEST_F(Cli, ARecorderIsAddedListedAndRemoved) {
  write(folder_ / "k.pub", std::string(kKey) + " pbx\n");
  const std::string file = (folder_ / "k.pub").string();
  const Ran added =
      manager({"recorder", "add", "pbx-1", "--ssh-key", file, "--customer", "acme", "--category", "message", "--json"});
  ASSERT_EQ(added.code, 0) << added.err;
  const Json one = json(added);
  EXPECT_EQ(one["name"], "pbx-1");
  EXPECT_EQ(one["customer"], "acme");
  EXPECT_EQ(one["category"], "message");
  EXPECT_EQ(one["key"], kKey);
  EXPECT_EQ(one["fingerprint"], "SHA256:RXm/ruZ0eTzRXKwi1AQEDynB0VgHQ2ac9KPSFdf/YnA");
  EXPECT_EQ(json(bare({"recorder", "list", "--json"})), Json::array({one}));
  EXPECT_NE(bare({"recorder", "list"}).out.find("pbx-1  open"), std::string::npos);
  EXPECT_EQ(manager({"recorder", "remove", "pbx-1"}).code, 0);
  EXPECT_EQ(json(bare({"recorder", "list", "--json"}))[0]["state"], "removed");
  EXPECT_EQ(manager({"recorder", "remove", "pbx-1"}).code, 3);
  EXPECT_EQ(bare({"check"}).code, 0);
}

TEST_F(Cli, ABadRecorderIsRefusedWithAClearWord) {
  write(folder_ / "k.pub", std::string(kKey) + "\n");
  write(folder_ / "options.pub", std::string("command=\"x\" ") + kKey + "\n");
  write(folder_ / "private", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
  const auto file = [&](const char* name) { return (folder_ / name).string(); };
  struct Case {
    std::vector<std::string> rest;
    int code;
    std::string_view word;
  };
  const Case cases[] = {
      {{"pbx", "--ssh-key", file("k.pub")}, 2, "either --customer ID or --own"},
      {{"pbx", "--ssh-key", file("options.pub"), "--own"}, 2, "options in front of a key"},
      {{"pbx", "--ssh-key", file("private"), "--own"}, 2, "this is a private key"},
      {{"pbx", "--ssh-key", file("none"), "--own"}, 3, "cannot be read"},
      {{"pbx", "--own"}, 2, "--ssh-key is required"},
  };
  for (const auto& [rest, code, word] : cases) {
    std::vector<std::string> arguments{"recorder", "add"};
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    const Ran ran = bare(arguments);  // refused before a passphrase is asked for
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_NE(ran.err.find(word), std::string::npos) << ran.err;
  }
  EXPECT_EQ(recovery_does({"recorder", "add", "pbx", "--ssh-key", file("k.pub"), "--own"}).code, 4);
  EXPECT_EQ(bare({"recorder", "list", "--json"}).out, "[]\n");
}

}  // namespace
