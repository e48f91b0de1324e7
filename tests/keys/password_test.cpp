#include "keys/password.h"

#include <set>

#include "keys/kdf.h"
#include "tests/testkit/expect.h"
#include "tests/testkit/material.h"

namespace {

using base::as_bytes;
using base::Fault;
using keys::Password;
using testkit::must;
using testkit::shown;

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

std::string new_text() { return shown(must(must(Password::generate()).text())); }

keys::AccessTerms terms() {
  return {"a-1", "acme", keys::AccessKind::delivery, 1000, 2000, base::Bytes(32, std::byte{7})};
}

keys::Recipient recipient_of(const std::string& text, const keys::AccessTerms& t) {
  return must(must(Password::parse(as_bytes(text))).derive(t)).recipient();
}

TEST(Password, LooksAsPromised) {
  const std::string text = new_text();
  ASSERT_EQ(text.size(), 29U);
  for (std::size_t i = 0; i < text.size(); ++i) EXPECT_EQ(i % 6 == 5, text[i] == '-') << text;
  for (const char c : text) EXPECT_TRUE(c == '-' || kAlphabet.find(c) != std::string_view::npos) << text;
}

TEST(Password, EachIsNew) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(seen.insert(new_text()).second);
}

TEST(Password, TextComesBack) {
  for (int i = 0; i < 200; ++i) {
    const std::string text = new_text();
    EXPECT_EQ(shown(must(must(Password::parse(as_bytes(text))).text())), text);
  }
}

// The layout by hand: 15 bytes are 24 symbols, first bit first; the check symbol of zeros is zero.
TEST(Password, EncodingIsFixed) {
  EXPECT_OK(Password::parse(as_bytes("00000-00000-00000-00000-00000")));
  // One bit in the last data symbol: the check is that symbol times a, so twice it.
  EXPECT_OK(Password::parse(as_bytes("00000-00000-00000-00000-00012")));
  const auto key = must(must(Password::parse(as_bytes("00000-00000-00000-00000-00012"))).derive(terms()));
  base::Bytes bytes(15);
  bytes[14] = std::byte{1};
  base::Bytes info = base::to_bytes("callvault/v1/access");
  base::put_string(info, "a-1");
  base::put_string(info, "acme");
  base::put_string(info, "delivery");
  base::put_u64(info, 1000);
  base::put_u64(info, 2000);
  const auto expected = must(keys::Identity::from_secret(must(keys::hkdf_sha256(bytes, terms().salt, info, 32))));
  EXPECT_TRUE(key.recipient() == expected.recipient());
  EXPECT_EQ(key.recipient().text(),
            "age1j6j4uhvy4v3msvn4z25wtzkla7epuam4uywpnt3fphyna3mjpu2smpky2l");  // docs/format.md
}

TEST(Password, ForgivesCaseDashesSpacesAndLookalikes) {
  const std::string text = "0001Z-00001-11110-0000Z-";
  std::string whole;
  for (const char check : kAlphabet)  // find the check symbol of this one
    if (Password::parse(as_bytes(text + "0000" + check))) whole = text + "0000" + check;
  ASSERT_FALSE(whole.empty());
  const auto same = recipient_of(whole, terms());
  const auto with = [&](char from, char to) {
    std::string out = whole;
    for (char& c : out) c = c == from ? to : c;
    return out;
  };
  std::string lower, bare, spaced;
  for (const char c : whole) {
    lower += static_cast<char>(std::tolower(c));
    if (c != '-') bare += c;
    spaced += c == '-' ? ' ' : c;
  }
  for (const std::string& typed : {lower, bare, spaced, " " + whole + " ", "--" + whole, with('0', 'O'), with('0', 'o'),
                                   with('1', 'I'), with('1', 'i'), with('1', 'L'), with('1', 'l')})
    EXPECT_TRUE(recipient_of(typed, terms()) == same) << typed;
}

TEST(Password, EveryOneSymbolTypoIsDenied) {  // A19; all 25 places, all 31 other symbols
  for (int i = 0; i < 50; ++i) {
    const std::string good = new_text();
    for (std::size_t at = 0; at < good.size(); ++at) {
      if (good[at] == '-') continue;
      for (const char c : kAlphabet) {
        std::string bad = good;
        bad[at] = c;
        if (bad == good) continue;
        ASSERT_TRUE(testkit::is_fault(Password::parse(as_bytes(bad)), Fault::denied));
      }
    }
  }
}

TEST(Password, EverySwapOfNeighboursIsDenied) {
  for (int i = 0; i < 500; ++i) {
    std::string good;
    for (const char c : new_text())
      if (c != '-') good += c;
    for (std::size_t at = 0; at + 1 < good.size(); ++at) {
      std::string bad = good;
      std::swap(bad[at], bad[at + 1]);
      if (bad == good) continue;
      ASSERT_TRUE(testkit::is_fault(Password::parse(as_bytes(bad)), Fault::denied));
    }
  }
}

// The check is linear, so that its whole power shows on the zero password: every pair of values in neighbouring places.
TEST(Password, EveryPairOfNeighbouringValuesShowsASwap) {
  for (std::size_t at = 0; at + 1 < 24; ++at)
    for (const char a : kAlphabet)
      for (const char b : kAlphabet) {
        if (a == b) continue;
        std::string text(24, '0');
        text[at] = a;
        text[at + 1] = b;
        std::string swapped = text;
        std::swap(swapped[at], swapped[at + 1]);
        for (const char check : kAlphabet)
          if (Password::parse(as_bytes(text + check))) {
            ASSERT_TRUE(testkit::is_fault(Password::parse(as_bytes(swapped + check)), Fault::denied));
          }
      }
}

TEST(Password, WhatIsNoPasswordIsDenied) {  // A19
  const std::string good = new_text();
  for (const std::string& bad :
       {std::string(), std::string("-"), good.substr(1), good + "0", good + std::string(1, '\0'),
        std::string(1, '\0') + good, "U" + good.substr(1), "*" + good.substr(1), "\xc3\xa4" + good.substr(2),
        "\xff\xfe" + good.substr(2), good + "\n", good + std::string(36, ' '), good + good, std::string(65, '0'),
        std::string(25, 'U'), std::string(1024 * 1024, '0')})
    EXPECT_FAULT(Fault::denied, Password::parse(as_bytes(bad))) << bad.substr(0, 80);
  EXPECT_OK(Password::parse(as_bytes(good + std::string(35, ' ')))) << "64 bytes are still read";
}

TEST(Password, DerivesTheSameKeyFromTheSameTerms) {
  const std::string text = new_text();
  EXPECT_TRUE(recipient_of(text, terms()) == recipient_of(text, terms()));
  EXPECT_EQ(must(must(Password::parse(as_bytes(text))).derive(terms())).signing_seed(), nullptr);
}

TEST(Password, EveryChangedTermGivesAnotherKey) {  // A16, A20
  const std::string text = new_text();
  std::set<std::string> seen{recipient_of(text, terms()).text()};
  const auto expect_other = [&](const char* what, auto&& change) {
    auto t = terms();
    change(t);
    EXPECT_TRUE(seen.insert(recipient_of(text, t).text()).second) << what;
  };
  expect_other("id", [](auto& t) { t.id = "a-2"; });
  expect_other("account", [](auto& t) { t.account = "acmf"; });
  expect_other("bytes moved between fields", [](auto& t) { t.id = "a-1a", t.account = "cme"; });
  expect_other("kind grant", [](auto& t) { t.kind = keys::AccessKind::grant; });
  expect_other("kind standing", [](auto& t) { t.kind = keys::AccessKind::standing; });
  expect_other("not before", [](auto& t) { t.not_before += 1; });
  expect_other("expires", [](auto& t) { t.expires += 1; });
  expect_other("times exchanged", [](auto& t) { std::swap(t.not_before, t.expires); });
  expect_other("salt", [](auto& t) { t.salt[31] ^= std::byte{1}; });
  EXPECT_TRUE(seen.insert(recipient_of(new_text(), terms()).text()).second);
}

TEST(Password, SaltOfAnotherSizeIsDamage) {
  for (const std::size_t size : {0U, 31U, 33U}) {
    auto t = terms();
    t.salt.resize(size);
    EXPECT_FAULT(Fault::damaged, must(Password::generate()).derive(t));
  }
}

TEST(AccessKind, NamesComeBack) {
  for (const auto kind : {keys::AccessKind::delivery, keys::AccessKind::grant, keys::AccessKind::standing})
    EXPECT_EQ(must(keys::access_kind(keys::name_of(kind))), kind);
  for (const char* bad : {"", "Delivery", "deliver", "grants"}) EXPECT_FAULT(Fault::damaged, keys::access_kind(bad));
}

}  // namespace
