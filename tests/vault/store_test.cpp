#include "vault/store.h"

#include <set>

#include "tests/testkit/expect.h"
#include "tests/testkit/faulty_files.h"
#include "tests/testkit/material.h"
#include "tests/testkit/temp_folder.h"

namespace vault {
namespace {

using base::Fault;
using testkit::FaultyFiles, testkit::must;

class StoreTest : public ::testing::Test {
 protected:
  void put(Store& to, const std::string& id) {
    const auto object = must(to.create(id));
    must(base::system_files().append(object.get(), base::as_bytes("object")));
    must(to.commit(id, object));
  }
  testkit::TempFolder folder;
  Store store{folder.path(), base::system_files()};
};

TEST_F(StoreTest, KeepsAnObjectUnderItsId) {
  const auto id = new_id('r');
  put(store, id);
  EXPECT_EQ(must(base::read_file(folder.path() / id.substr(2, 2) / id, 100)), base::to_bytes("object"));
  EXPECT_OK(store.open(id));
  EXPECT_EQ(must(store.ids()), std::vector<std::string>{id});
}

TEST_F(StoreTest, MakesAnObjectOnce) {
  const auto id = new_id('r');
  put(store, id);
  EXPECT_FALSE(store.create(id));
  EXPECT_EQ(must(base::read_file(folder.path() / id.substr(2, 2) / id, 100)), base::to_bytes("object"));
}

TEST_F(StoreTest, AMissingObjectIsDamage) { EXPECT_FAULT(Fault::damaged, store.open(new_id('r'))); }

TEST_F(StoreTest, RemovesWhatIsThereAndMindsNothingElse) {
  const auto a = new_id('r');
  const auto b = new_id('r');
  put(store, a);
  put(store, b);
  EXPECT_OK(store.remove({a, new_id('r')}));
  EXPECT_OK(store.remove({a}));
  EXPECT_EQ(must(store.ids()), std::vector<std::string>{b});
}

TEST_F(StoreTest, WhatWasCommittedOutlivesEveryCut) {
  const auto id = new_id('r');
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    FaultyFiles files(k);
    Store faulty(folder.path(), files);
    const auto next = new_id('r');
    auto object = faulty.create(next);
    base::Result<void> done = object ? files.append(object->get(), base::as_bytes("object")) : object.error();
    if (done) done = faulty.commit(next, *object);
    finished = !files.reached();
    ASSERT_EQ(static_cast<bool>(done), finished);
    ASSERT_LT(k, 50);
  }
  EXPECT_EQ(must(store.ids()).size(), 1U);
}

TEST_F(StoreTest, WhatWasRemovedIsGoneOnceRemoveSaysSo) {
  const auto id = new_id('r');
  put(store, id);
  bool finished = false;
  for (std::int64_t k = 0; !finished; ++k) {
    FaultyFiles files(k);
    Store faulty(folder.path(), files);
    const auto done = faulty.remove({id});
    finished = !files.reached();
    ASSERT_EQ(static_cast<bool>(done), finished);
    EXPECT_EQ(must(store.ids()).empty(), finished);
    ASSERT_LT(k, 50);
  }
}

TEST(NewId, IsValidAndNeverTwiceTheSame) {
  std::set<std::string> all;
  for (int i = 0; i < 10'000; ++i) {
    const auto id = new_id('r');
    ASSERT_TRUE(valid_id(id)) << id;
    ASSERT_TRUE(all.insert(id).second);
  }
}

TEST(ValidId, RefusesWhatWouldLeaveTheFolder) {
  for (const std::string id :
       {"", "r-", "r-../../../../etc/x", "r-0123456789abcde", "r-0123456789abcdef0", "R-0123456789abcdef",
        "r-0123456789ABCDEF", "r_0123456789abcdef", "r-0123456789abcdei", "r-/123456789abcdef", "r-0123456789abcde/"})
    EXPECT_FALSE(valid_id(id)) << id;
  EXPECT_FALSE(valid_id(std::string("r-0123456789abcd\0f", 18)));
  EXPECT_TRUE(valid_id("r-0123456789abcdef"));
}

TEST_F(StoreTest, AnIdThatWasNeverMadeIsDamage) {
  const std::string id = "r-../../../../etc/x";
  EXPECT_FAULT(Fault::damaged, store.open(id));
  EXPECT_FAULT(Fault::damaged, store.create(id));
  EXPECT_FAULT(Fault::damaged, store.remove({id}));
}

}  // namespace
}  // namespace vault
