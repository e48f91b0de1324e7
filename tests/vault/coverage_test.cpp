#include "vault/coverage.h"

#include <algorithm>
#include <random>

#include "tests/testkit/customer.h"
#include "tests/testkit/expect.h"

namespace {

using base::Fault;
using vault::Coverage;
using vault::Ranges;

constexpr std::int64_t kSettle = 30000;
constexpr std::int64_t kWithoutClose = 60000;
constexpr Coverage::Waits kWaits{kSettle, kWithoutClose};
constexpr std::int64_t kNow = 1000;

Ranges ranges(std::string_view text) { return testkit::must(Ranges::parse(text)); }

// A recording of 100 bytes, so that offsets read as per cent.
Coverage hundred() { return {100, kWaits}; }

void get(Coverage& c, Coverage::Handle handle, std::uint64_t begin, std::uint64_t end) {
  c.opened(handle);
  c.booked(handle, begin, end - begin);
}

// --- Ranges

TEST(Ranges, JoinsWhatOverlapsOrTouches) {
  Ranges r;
  r.add(10, 20);
  r.add(30, 40);
  r.add(20, 25);
  EXPECT_EQ(r.text(), "10-25,30-40");
  r.add(24, 31);
  EXPECT_EQ(r.text(), "10-40");
  r.add(0, 100);
  EXPECT_EQ(r.text(), "0-100");
  r.add(50, 60);
  EXPECT_EQ(r.text(), "0-100");
  EXPECT_EQ(r.bytes(), 100U);
}

TEST(Ranges, AnEmptyRangeAddsNothing) {
  Ranges r;
  r.add(5, 5);
  EXPECT_TRUE(r.empty());
  EXPECT_EQ(r.text(), "");
}

TEST(Ranges, CoversOnlyWithoutAHole) {
  const Ranges r = ranges("0-10,11-20");
  EXPECT_TRUE(r.covers(0, 10));
  EXPECT_TRUE(r.covers(12, 20));
  EXPECT_FALSE(r.covers(0, 20));
  EXPECT_FALSE(r.covers(10, 11));
  EXPECT_FALSE(r.covers(19, 21));
  EXPECT_TRUE(r.covers(10, 10));
}

TEST(Ranges, FindsTheRunThatContainsOrEndsAt) {
  const Ranges r = ranges("5-10,20-30");
  EXPECT_EQ(r.run_begin(4), 4U);
  EXPECT_EQ(r.run_begin(5), 5U);
  EXPECT_EQ(r.run_begin(10), 5U);
  EXPECT_EQ(r.run_begin(11), 11U);
  EXPECT_EQ(r.run_begin(25), 20U);
  EXPECT_EQ(r.run_begin(31), 31U);
}

TEST(Ranges, WithinKeepsThePartInside) {
  const Ranges r = ranges("0-10,20-30,40-50");
  EXPECT_EQ(r.within(5, 45).text(), "5-10,20-30,40-45");
  EXPECT_EQ(r.within(10, 20).text(), "");
}

TEST(Ranges, TextIsReadBack) {
  for (const std::string_view text : {"", "0-1", "0-65536,131072-200000", "5-18446744073709551615"})
    EXPECT_EQ(ranges(text).text(), text);
}

TEST(Ranges, DamagedTextIsRefused) {
  for (const std::string_view text :
       {"0",       "-",        "0-",   "-5",   "5-5",  "6-5",  "0-5,", ",0-5",  "0-5,5-6",
        "0-5,4-6", "6-7,0-5",  "0-5 ", " 0-5", "+0-5", "00-5", "0-05", "0x0-5", "0-18446744073709551616",
        "0-5;6-7", "0-5,,6-7", "0--5"})
    EXPECT_FAULT(Fault::damaged, Ranges::parse(text)) << text;
}

// --- Rule A: one handle, closed

TEST(Coverage, RuleAOneClosedHandleIsEnough) {
  auto c = hundred();
  get(c, 1, 0, 100);
  EXPECT_TRUE(c.closed(1, kNow));
}

TEST(Coverage, RuleAInAnyOrderAndWithOverlaps) {
  auto c = hundred();
  c.opened(1);
  for (const std::uint64_t at : {90U, 0U, 60U, 30U, 45U}) c.booked(1, at, 35);
  EXPECT_TRUE(c.closed(1, kNow));
}

TEST(Coverage, WhatIsReadBeyondTheEndIsClipped) {
  auto c = hundred();
  get(c, 1, 0, 1000000);
  c.booked(1, 100, 50);
  c.booked(1, ~0ULL, 50);
  EXPECT_EQ(c.bytes_sent(), 100U);
  EXPECT_TRUE(c.closed(1, kNow));
}

TEST(Coverage, AHandleThatIsCutBeforeCloseProvesNothing) {
  for (const std::uint64_t end : {0U, 1U, 50U, 99U, 100U}) {
    auto c = hundred();
    get(c, 1, 0, end);
    c.broken(1, kNow);
    EXPECT_EQ(c.due(), std::nullopt) << end;
    EXPECT_FALSE(c.closed(1, kNow)) << end;
  }
}

TEST(Coverage, AHandleThatIsClosedEarlyProvesNoMore) {
  for (const std::uint64_t end : {0U, 1U, 50U, 99U}) {
    auto c = hundred();
    get(c, 1, 0, end);
    EXPECT_FALSE(c.closed(1, kNow)) << end;
    EXPECT_EQ(c.due(), std::nullopt) << end;
  }
}

TEST(Coverage, AHoleOfOneByteIsAHole) {
  auto c = hundred();
  get(c, 1, 0, 49);
  c.booked(1, 50, 50);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, RuleBAllAndEofAndAnOrderlyEnd) {
  Coverage c = hundred();
  get(c, 1, 0, 60);
  c.booked(1, 60, 40, true);
  c.ended(1, kNow);
  EXPECT_EQ(c.due(), kNow + kWithoutClose);
  c.opened(2);
  EXPECT_EQ(c.due(), std::nullopt);
  c.booked(2, 90, 10);
  EXPECT_FALSE(c.closed(2, kNow + 5));  // the wait begins anew
  EXPECT_EQ(c.due(), kNow + 5 + kWithoutClose);
}

TEST(Coverage, RuleBNeedsEofBehindAll) {
  Coverage early = hundred();
  early.opened(1);
  early.booked(1, 100, 0, true);  // asked at the end first
  early.booked(1, 0, 100);
  early.ended(1, kNow);
  EXPECT_EQ(early.due(), std::nullopt);
  Coverage never = hundred();
  get(never, 1, 0, 100);
  never.ended(1, kNow);
  EXPECT_EQ(never.due(), std::nullopt);
  Coverage hole = hundred();
  get(hole, 1, 0, 50);
  hole.booked(1, 51, 49, true);
  hole.ended(1, kNow);
  EXPECT_EQ(hole.due(), std::nullopt);
}

TEST(Coverage, RuleBNotAfterABreak) {
  Coverage c = hundred();
  c.opened(1);
  c.booked(1, 0, 100, true);
  c.broken(1, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, RuleBAfterAResume) {
  Coverage c = hundred();
  get(c, 1, 0, 70);
  c.broken(1, kNow);
  c.opened(2);
  c.booked(2, 60, 40, true);
  c.ended(2, kNow);
  EXPECT_EQ(c.due(), kNow + kWithoutClose);
}

TEST(Coverage, AnOrderlyEndInTheMiddleIsOnlyAPlaceToResume) {
  Coverage c = hundred();
  get(c, 1, 0, 70);
  c.ended(1, kNow);
  get(c, 2, 80, 100);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  Coverage again = hundred();
  get(again, 1, 0, 70);
  again.ended(1, kNow);
  get(again, 2, 70, 100);
  EXPECT_FALSE(again.closed(2, kNow));
  EXPECT_EQ(again.due(), kNow + kSettle);
}

TEST(Coverage, ChunksThatEndInOrderCountForRuleC) {
  Coverage c = hundred();
  get(c, 1, 0, 60);
  get(c, 2, 50, 100);
  c.ended(1, kNow);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), kNow + kWithoutClose);
  Coverage stored = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  stored.settle(7);
  EXPECT_EQ(stored.due(), 7 + kWithoutClose);
}

TEST(Coverage, TheLastChunkNeedsACloseOrEof) {
  for (const bool eof : {false, true}) {
    Coverage c = hundred();
    get(c, 1, 0, 50);
    get(c, 2, 50, 90);
    c.booked(2, 90, 10, eof);
    EXPECT_FALSE(c.closed(1, kNow));
    c.ended(2, kNow);
    EXPECT_EQ(c.due().has_value(), eof);
  }
}

TEST(Coverage, AnEmptyRecordingWithoutClose) {
  Coverage c(0, kWaits);
  c.opened(1);
  c.ended(1, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
  c.opened(2);
  c.booked(2, 0, 0, true);
  c.ended(2, kNow);
  EXPECT_EQ(c.due(), kNow + kWithoutClose);
}

TEST(Coverage, TellsWhenANewCopyMakesEarlierPartsVoid) {
  Coverage c = hundred();
  c.opened(1);
  EXPECT_FALSE(c.booked(1, 0, 40));  // nothing was there before
  c.broken(1, kNow);
  c.opened(2);
  EXPECT_FALSE(c.booked(2, 30, 20));  // goes on
  c.broken(2, kNow);
  c.opened(3);
  EXPECT_TRUE(c.booked(3, 0, 10));
  EXPECT_FALSE(c.booked(3, 10, 10));  // told once
  Coverage after = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  get(after, 4, 30, 100);  // 10 to 30 were never sent in this copy
  EXPECT_FALSE(after.closed(4, kNow));
  EXPECT_EQ(after.due(), std::nullopt);
}

TEST(Coverage, AReadAfterCloseCountsForNothing) {
  auto c = hundred();
  get(c, 1, 0, 99);
  EXPECT_FALSE(c.closed(1, kNow));
  c.booked(1, 99, 1);
  EXPECT_EQ(c.bytes_sent(), 99U);
  c.opened(2);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, UnknownHandlesChangeNothing) {
  auto c = hundred();
  c.booked(7, 0, 100);
  EXPECT_FALSE(c.closed(7, kNow));
  c.broken(7, kNow);
  EXPECT_EQ(c.text(), hundred().text());
}

// --- Empty recordings

TEST(Coverage, AnEmptyRecordingNeedsOnlyOpenAndClose) {
  Coverage c(0, kWaits);
  c.opened(1);
  EXPECT_TRUE(c.closed(1, kNow));
}

TEST(Coverage, AnEmptyRecordingIsNotDeliveredByABrokenConnection) {
  Coverage c(0, kWaits);
  c.opened(1);
  c.booked(1, 0, 0);
  c.broken(1, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AnEmptyRecordingOnTwoHandlesFollowsRuleC) {
  Coverage c(0, kWaits);
  c.opened(1);
  c.opened(2);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  c.broken(2, kNow);
  EXPECT_EQ(c.due(), kNow + kSettle);
}

// --- Rule C: several handles

TEST(Coverage, RuleCWaitsForTheLastHandle) {
  auto c = hundred();
  get(c, 1, 0, 50);
  get(c, 2, 50, 100);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  EXPECT_FALSE(c.closed(1, kNow + 5));
  EXPECT_EQ(c.due(), kNow + 5 + kSettle);
}

TEST(Coverage, RuleCHoldsOneAfterTheOtherToo) {
  auto c = hundred();
  get(c, 1, 0, 50);
  EXPECT_FALSE(c.closed(1, kNow));
  get(c, 2, 50, 100);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, TheFirstChunkAfterTheLastOneIsANewCopy) {
  auto c = hundred();
  get(c, 1, 50, 100);
  EXPECT_FALSE(c.closed(1, kNow));
  get(c, 2, 0, 50);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, ANewOpenTakesTheDueTimeBack) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.closed(1, kNow);
  get(c, 2, 50, 100);
  c.closed(2, kNow);
  c.opened(3);
  EXPECT_EQ(c.due(), std::nullopt);
  c.booked(3, 60, 40);
  EXPECT_FALSE(c.closed(3, kNow + 9));
  EXPECT_EQ(c.due(), kNow + 9 + kSettle);
}

TEST(Coverage, AFullHandleIsNotAtOnceWhileAnotherIsOpen) {
  auto c = hundred();
  get(c, 1, 0, 100);
  get(c, 2, 50, 100);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, ChunksThatReadBeyondTheirEndAreDeliveredWhenAllEnded) {
  auto c = hundred();
  get(c, 1, 0, 100);  // one chunk may run over the whole file
  get(c, 2, 25, 60);
  get(c, 3, 50, 80);
  get(c, 4, 75, 100);
  for (const Coverage::Handle h : {4U, 2U, 1U}) EXPECT_FALSE(c.closed(h, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, WhatAChunkReadBeyondTheNextChunksStartDoesNotCount) {
  auto c = hundred();
  get(c, 1, 0, 60);   // over-read: thrown away from 50 on
  get(c, 2, 50, 55);  // ended early
  c.booked(2, 58, 42);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, ABrokenChunkIsMissing) {
  auto c = hundred();
  get(c, 1, 0, 50);
  get(c, 2, 50, 100);
  c.closed(1, kNow);
  c.broken(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, TheLastHandleMustReachTheEnd) {
  auto c = hundred();
  get(c, 1, 0, 50);
  get(c, 2, 50, 99);
  c.closed(1, kNow);
  c.closed(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

// --- Resume

TEST(Coverage, AResumeFromWithinATentativeRunConfirmsIt) {
  for (const std::uint64_t at : {1U, 49U, 50U}) {
    auto c = hundred();
    get(c, 1, 0, 50);
    c.broken(1, kNow);
    get(c, 2, at, 100);
    EXPECT_FALSE(c.closed(2, kNow)) << at;  // rule C: it takes its time
    EXPECT_EQ(c.due(), kNow + kSettle) << at;
  }
}

TEST(Coverage, AResumeFromBeyondTheRunNeverCountsWhatIsBefore) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 51, 100);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  get(c, 3, 50, 51);  // also not when the gap is filled later: these may be chunks
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AResumeWithoutAnyEarlierTransferNeverCountsWhatIsBefore) {
  auto c = hundred();
  get(c, 1, 1, 100);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, OnlyTheFirstReadTellsWhereACopyEnds) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 60, 100);
  c.booked(2, 50, 10);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AResumeOfACompleteCopyReadsOnlyTheEnd) {
  auto c = hundred();
  get(c, 1, 0, 100);
  c.broken(1, kNow);
  c.opened(2);
  c.booked(2, 100, 0);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, AResumeCountsOnlyWhenItsHandleIsClosed) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 50, 100);
  c.broken(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AResumeOfAResume) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 40, 80);
  c.broken(2, kNow);
  get(c, 3, 75, 100);
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, AResumeOfAResumeBehindOneThatWasClosed) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 40, 60);
  EXPECT_FALSE(c.closed(2, kNow));
  get(c, 3, 60, 80);
  c.broken(3, kNow);
  get(c, 4, 75, 95);
  c.broken(4, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
  get(c, 5, 90, 100);
  EXPECT_FALSE(c.closed(5, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, ABeginFromZeroGivesUpWhatWasThere) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 0, 10);  // the client begins anew, in chunks, and its first chunk breaks
  get(c, 3, 40, 100);
  c.broken(2, kNow);
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), std::nullopt) << "bytes 10 to 40 were given up";
}

TEST(Coverage, ABeginFromZeroGivesUpInAnyOrderOfTheFirstReads) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  c.opened(2);
  get(c, 3, 40, 100);
  c.booked(2, 0, 10);
  c.broken(2, kNow);
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AResumeDoesNotConfirmTheRunOfAnotherChunk) {
  auto c = hundred();
  get(c, 1, 0, 52);  // its client has 48 of them
  get(c, 2, 50, 80);
  c.broken(1, kNow);
  c.broken(2, kNow);
  get(c, 3, 80, 100);  // chunk 2 goes on, chunk 1 does not
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  get(c, 4, 50, 60);  // chunk 2 is asked for once more, from its start
  EXPECT_FALSE(c.closed(4, kNow));
  EXPECT_EQ(c.due(), std::nullopt) << "byte 48 never arrived";
}

// --- Chunks read over: a closed handle counts up to the start of any other handle, whatever became of that one

TEST(Coverage, AnOverReadDoesNotFillTheChunkThatBrokeBefore) {
  auto c = hundred();
  get(c, 1, 0, 100);  // its client kept [0,50)
  get(c, 2, 50, 60);
  c.broken(2, kNow);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AnOverReadDoesNotFillTheChunkThatBreaksLater) {
  auto c = hundred();
  get(c, 1, 0, 100);
  get(c, 2, 50, 60);
  EXPECT_FALSE(c.closed(1, kNow));
  c.broken(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AnOverReadDoesNotFillTheChunkThatEndedBeforeItsFirstRead) {
  for (const bool in_order : {false, true}) {
    auto c = hundred();
    get(c, 1, 0, 100);
    c.opened(2);
    EXPECT_FALSE(c.closed(1, kNow));
    in_order ? void(c.closed(2, kNow)) : c.broken(2, kNow);
    EXPECT_EQ(c.due(), std::nullopt) << in_order;
  }
}

TEST(Coverage, AnOverReadDoesNotFillAChunkOpenedLaterThatBreaksBeforeItsFirstRead) {
  auto c = hundred();
  get(c, 1, 0, 50);
  get(c, 2, 50, 100);  // its client kept [50,75)
  c.closed(1, kNow);
  c.closed(2, kNow);
  c.opened(3);  // the chunk from 75
  c.broken(3, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AnOverReadDoesNotFillTheChunkWhoseCutIsOlderThanARestart) {
  auto c = hundred();
  get(c, 1, 0, 100);
  get(c, 2, 50, 60);
  EXPECT_FALSE(c.closed(1, kNow));
  auto again = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  again.settle(kNow);
  EXPECT_EQ(again.due(), std::nullopt);
}

TEST(Coverage, AnOverReadDoesNotFillAChunkThatBrokeBeforeTheFirstChunkBegan) {
  auto c = hundred();
  for (const Coverage::Handle h : {1U, 2U, 3U}) c.opened(h);
  c.booked(2, 50, 5);
  c.broken(2, kNow);
  c.booked(1, 0, 100);
  c.booked(3, 75, 25);
  c.closed(1, kNow);
  c.closed(3, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

// The client may have begun anew: then it has thrown away what other chunks brought.
TEST(Coverage, AChunkThatBrokeAndIsFetchedAgainProvesNothing) {
  for (const std::uint64_t from : {50U, 60U, 70U})
    for (const bool first_is_open : {false, true}) {
      auto c = hundred();
      get(c, 1, 0, 60);
      get(c, 2, 50, 70);
      c.broken(2, kNow);
      if (!first_is_open) c.closed(1, kNow);
      get(c, 3, from, 100);
      if (first_is_open) c.closed(1, kNow);
      EXPECT_FALSE(c.closed(3, kNow));
      EXPECT_EQ(c.due(), std::nullopt);
    }
}

TEST(Coverage, ChunksOfANewCopyCompleteAfterABrokenOne) {
  auto c = hundred();
  get(c, 1, 0, 60);
  get(c, 2, 50, 70);
  c.broken(2, kNow);
  c.closed(1, kNow);
  get(c, 3, 0, 60);
  get(c, 4, 50, 100);
  c.closed(3, kNow);
  EXPECT_FALSE(c.closed(4, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

// Where the first chunk of a small file is read over to the end and closed before the next one begins.
TEST(Coverage, AfterChunksAWholeReadWaitsForTheNextChunk) {
  auto c = hundred();
  get(c, 1, 50, 100);
  EXPECT_FALSE(c.closed(1, kNow));
  get(c, 2, 0, 40);
  c.broken(2, kNow);
  get(c, 3, 0, 100);
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), kNow + kWithoutClose);
  auto again = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  again.settle(7);
  EXPECT_EQ(again.due(), 7 + kWithoutClose);
  for (Coverage* now : {&c, &again}) {
    get(*now, 4, 50, 60);
    EXPECT_EQ(now->due(), std::nullopt);
    now->broken(4, kNow);
    EXPECT_EQ(now->due(), std::nullopt);
  }
}

TEST(Coverage, InCompanyAWholeReadWaitsForTheNextChunk) {
  auto c = hundred();
  get(c, 1, 0, 100);
  EXPECT_FALSE(c.closed(1, kNow, true));
  EXPECT_EQ(c.due(), kNow + kSettle);
  get(c, 2, 50, 60);
  c.broken(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, ReadsInAnyOrderOfOneHandleAreNoChunks) {
  auto c = hundred();
  get(c, 1, 90, 100);
  c.booked(1, 0, 50);
  c.broken(1, kNow);
  EXPECT_FALSE(c.in_chunks());
  get(c, 2, 0, 40);
  c.broken(2, kNow);
  get(c, 3, 30, 100);  // a resume
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_FALSE(c.in_chunks());
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, FourStreamsWithOverReadsAreDelivered) {
  constexpr std::uint64_t kMegabyte = 1 << 20;
  Coverage c(200 * kMegabyte, kWaits);
  for (const Coverage::Handle h : {2U, 1U, 0U, 3U}) get(c, h, h * 50 * kMegabyte, (h * 50 + 52) * kMegabyte);
  for (const Coverage::Handle h : {3U, 0U, 2U}) EXPECT_FALSE(c.closed(h, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

// --- Credit that is taken back

TEST(Coverage, AnotherChunkIsNoResumeOnceTheFirstOneBeginsAgain) {
  auto c = hundred();
  get(c, 1, 0, 55);  // its client has 40
  c.broken(1, kNow);
  get(c, 2, 50, 100);
  c.closed(2, kNow);
  get(c, 3, 0, 10);
  c.broken(3, kNow);
  EXPECT_EQ(c.due(), std::nullopt) << "[40,50) never arrived";
}

TEST(Coverage, AnotherChunkIsNoResumeWhenItIsOpenBesideTheFirst) {
  auto c = hundred();
  get(c, 1, 0, 55);
  c.opened(2);
  c.broken(1, kNow);
  c.booked(2, 50, 50);
  c.closed(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AHandleBesideAnotherIsNoResume) {
  auto c = hundred();
  get(c, 1, 0, 55);  // its client has 40
  c.broken(1, kNow);
  c.opened(2);
  c.opened(3);
  c.booked(2, 50, 50);
  c.booked(3, 75, 25);
  c.closed(2, kNow);
  c.closed(3, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, ATailOfADeletedCopyDoesNotCompleteTheNextCopy) {
  auto c = hundred();
  get(c, 1, 0, 40);
  get(c, 2, 50, 100);
  c.closed(2, kNow);
  c.broken(1, kNow);
  get(c, 3, 0, 55);  // a plain get, interrupted
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, ATailThatIsStillOpenDoesNotCompleteTheNextCopy) {
  auto c = hundred();
  get(c, 1, 0, 40);
  get(c, 2, 50, 100);
  c.broken(1, kNow);
  get(c, 3, 0, 55);
  c.closed(3, kNow);
  c.closed(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, NoResumeFromARunThatReachesBeyondTheStartOfAChunk) {
  auto c = hundred();
  get(c, 1, 0, 10);
  get(c, 2, 50, 52);
  c.broken(1, kNow);
  c.broken(2, kNow);
  get(c, 3, 10, 60);  // the first chunk alone, read over
  c.broken(3, kNow);
  get(c, 4, 55, 100);
  c.closed(4, kNow);
  get(c, 5, 1, 10);
  c.closed(5, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
  EXPECT_EQ(c.text().find("10-55"), std::string::npos) << c.text();
}

TEST(Coverage, OfTwoRunsAroundTheFirstReadTheShorterOneIsResumed) {
  auto c = hundred();
  get(c, 1, 0, 30);
  c.closed(1, kNow);
  get(c, 2, 10, 12);
  c.booked(2, 50, 40);
  c.broken(2, kNow);
  get(c, 3, 20, 60);
  c.broken(3, kNow);
  get(c, 4, 10, 20);
  c.closed(4, kNow);
  get(c, 5, 55, 100);  // goes on with [50,90) or with [20,60)
  c.closed(5, kNow);
  EXPECT_EQ(c.due(), std::nullopt) << "nobody has proved [20,50)";
  get(c, 6, 20, 55);
  c.closed(6, kNow);
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, SeveralCutsInARowEachResumed) {
  auto c = hundred();
  get(c, 1, 0, 10);
  c.broken(1, kNow);
  for (Coverage::Handle h = 2; h < 85; ++h) {  // more than are kept
    get(c, h, h + 5, h + 10);
    c.broken(h, kNow);
  }
  get(c, 99, 90, 100);
  EXPECT_FALSE(c.closed(99, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, AResumeThatBreaksBeforeItsFirstReadChangesNothing) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  c.opened(2);
  c.broken(2, kNow);
  get(c, 3, 45, 100);
  EXPECT_FALSE(c.closed(3, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, APlainGetFromZeroAfterAnyNumberOfBrokenOnesIsEnough) {
  for (Coverage::Handle broken = 0; broken < 3 * Coverage::kMostParts; broken += 7) {
    auto c = hundred();
    for (Coverage::Handle h = 0; h < broken; ++h) {
      get(c, h, h % 3 * 20, 90);
      c.broken(h, kNow);
    }
    get(c, broken, 0, 100);
    EXPECT_TRUE(c.closed(broken, kNow)) << broken;
  }
}

TEST(Coverage, APlainGetBesideADeadConnectionIsDeliveredWhenThatOneEnds) {
  auto c = hundred();
  get(c, 1, 0, 50);  // dead, and nobody knows yet
  get(c, 2, 0, 100);
  EXPECT_FALSE(c.closed(2, kNow));
  c.broken(1, kNow);
  EXPECT_EQ(c.due(), kNow + kSettle);
}

// --- Sent, and not arrived

TEST(Coverage, WhatDidNotArriveProvesNothing) {
  auto c = hundred();
  get(c, 1, 0, 60);
  c.sent(1, 60, 40);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
}

TEST(Coverage, AfterABreakAClientMayGoOnAnywhereInWhatItWasSent) {
  auto c = hundred();
  get(c, 1, 0, 10);
  c.sent(1, 10, 60);
  c.broken(1, kNow);
  get(c, 2, 50, 100);
  EXPECT_FALSE(c.closed(2, kNow));
  EXPECT_EQ(c.due(), kNow + kSettle);
}

// Beside it, a chunk that read over its place must not fill it.
TEST(Coverage, AChunkOfWhichNothingArrivedStillCuts) {
  for (const bool alone : {false, true})
    for (const bool in_order : {false, true}) {
      auto c = hundred();
      get(c, 1, 0, 100);
      bool delivered = alone && c.closed(1, kNow, true);
      c.opened(2);
      c.sent(2, 50, 30);
      in_order ? void(c.closed(2, kNow)) : c.broken(2, kNow);
      delivered = delivered || (!alone && c.closed(1, kNow));
      EXPECT_FALSE(delivered);
      EXPECT_EQ(c.due(), std::nullopt) << alone << in_order;
    }
}

// Its place is where it began, whichever of its bytes arrived.
TEST(Coverage, AChunkOfWhichOnlyALaterPieceArrivedCutsWhereItBegan) {
  for (const Coverage::Handle first : {1U, 2U}) {
    auto c = hundred();
    get(c, 1, 0, 100);  // its client keeps [0,50)
    get(c, 2, 70, 100);
    c.sent(2, 50, 20);  // asked for later, and on its way when the chunk is closed
    EXPECT_FALSE(c.closed(first, kNow));
    EXPECT_FALSE(c.closed(3 - first, kNow));
    EXPECT_EQ(c.due(), std::nullopt) << "[50,70) never arrived";
  }
}

// A handle that read a piece further in front last: a resume of its other piece does not make that beginning forgotten.
TEST(Coverage, AResumeInALaterPieceKeepsTheBeginningAsACut) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.closed(1, kNow);
  get(c, 2, 50, 100);
  c.closed(2, kNow);
  ASSERT_TRUE(c.due());
  get(c, 3, 50, 100);
  c.booked(3, 20, 5);  // so its chunk began at 20, and the first one ends there
  c.broken(3, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
  c.opened(4);
  c.sent(4, 80, 20);
  c.broken(4, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
}

// A handle that went on where a chunk had broken, and then read further in front: it is no resume, and where that chunk
// began is not forgotten with it.
TEST(Coverage, AResumeThatIsTakenBackKeepsTheBeginningAsACut) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.closed(1, kNow);
  get(c, 2, 30, 60);  // a chunk: the first one ends at 30
  c.broken(2, kNow);
  get(c, 3, 50, 100);
  c.booked(3, 0, 1);
  c.broken(3, kNow);
  get(c, 4, 70, 100);  // proves [50,70) too
  c.closed(4, kNow);
  EXPECT_EQ(c.due(), std::nullopt) << "nobody has proved [30,50)";
  get(c, 5, 30, 100);
  c.closed(5, kNow);
  EXPECT_EQ(c.due(), kNow + kWaits.settle_ms);
}

TEST(Coverage, AResumeThatBreaksBesideANewCopyKeepsTheBeginningAsACut) {
  auto c = hundred();
  get(c, 1, 0, 35);
  c.closed(1, kNow);
  get(c, 2, 30, 60);  // a chunk: the first one ends at 30
  c.broken(2, kNow);
  get(c, 3, 50, 55);
  c.opened(4);
  c.broken(3, kNow);
  c.booked(4, 0, 60);  // the first chunk again, read over
  c.closed(4, kNow);
  get(c, 5, 50, 100);
  c.closed(5, kNow);
  EXPECT_EQ(c.due(), std::nullopt) << "nobody has proved [30,50)";
  get(c, 6, 30, 60);
  c.closed(6, kNow);
  EXPECT_EQ(c.due(), kNow + kSettle);
}

// A chunk that was closed is dropped by another copy beside it, and still cuts: its client fetches in chunks, so a
// handle that broke unread may have been any of them.
TEST(Coverage, AHandleThatBreaksUnreadBehindADroppedChunkLeavesDoubt) {
  auto c = hundred();
  get(c, 1, 0, 10);
  c.opened(2);
  c.closed(1, kNow);
  c.booked(2, 0, 10);  // the other copy
  c.broken(2, kNow);
  c.opened(3);
  c.broken(3, kNow);
  get(c, 4, 10, 50);
  c.booked(4, 0, 10);
  c.closed(4, kNow);
  get(c, 5, 50, 100);
  c.closed(5, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
  get(c, 6, 0, 100);
  EXPECT_TRUE(c.closed(6, kNow) || c.due());
}

TEST(Coverage, AResumeThatANewCopyEndsKeepsTheBeginningAsACut) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.closed(1, kNow);
  get(c, 2, 30, 60);
  c.broken(2, kNow);
  get(c, 3, 50, 100);
  c.opened(4);
  c.booked(4, 0, 50);
  EXPECT_NE(c.text().find("cut 30\n"), std::string::npos) << c.text();
}

// --- Bounds

TEST(Coverage, AHandleInTooManyPiecesProvesNoMore) {
  const std::uint64_t size = 4 * Coverage::kMostPieces;
  Coverage c(size, kWaits);
  c.opened(1);
  for (std::uint64_t at = 0; at < size; at += 2) c.booked(1, at, 1);
  for (std::uint64_t at = 1; at < size; at += 2) c.booked(1, at, 1);
  EXPECT_FALSE(c.closed(1, kNow));
  EXPECT_EQ(c.due(), std::nullopt);
  get(c, 2, 0, size);
  EXPECT_TRUE(c.closed(2, kNow));
}

TEST(Coverage, TooManyHandlesEndInDoubtButRuleAStillHolds) {
  for (const bool in_order : {false, true}) {
    auto c = hundred();
    c.opened(0);
    c.booked(0, 99, 1);
    for (Coverage::Handle h = 1; h < 2 * Coverage::kMostParts; ++h) {
      get(c, h, 1 + h % 90, 99);
      in_order ? void(c.closed(h, kNow)) : c.broken(h, kNow);
    }
    c.closed(0, kNow);
    EXPECT_TRUE(c.text().find("\ndoubt\n") != std::string::npos || !in_order) << c.text();
    get(c, 1, 50, 100);
    c.closed(1, kNow);
    get(c, 2, 0, 50);
    c.broken(2, kNow);
    get(c, 3, 0, 100);
    EXPECT_FALSE(c.closed(3, kNow));  // not at once: these may be chunks
    EXPECT_EQ(c.due(), kNow + kWithoutClose);
  }
}

TEST(Coverage, InDoubtNothingCountsUntilANewCopyBegins) {
  auto c = testkit::must(Coverage::parse("sent 0\ndoubt\n", 100, kWaits));
  get(c, 1, 50, 100);
  c.closed(1, kNow);
  EXPECT_EQ(c.text(), "sent 50\ndoubt\nin-chunks\n");
  get(c, 2, 0, 50);
  c.closed(2, kNow);
  EXPECT_EQ(c.due(), std::nullopt);
  get(c, 3, 50, 100);
  c.closed(3, kNow);
  EXPECT_EQ(c.due(), kNow + kSettle);
}

TEST(Coverage, TheTextOfAHostileClientIsBounded) {
  const std::uint64_t size = ~0ULL;
  const std::uint64_t far = size - 100000000;  // offsets of 20 digits
  for (const bool in_order : {false, true})
    for (const bool alone : {false, true}) {
      Coverage c(size, kWaits);
      std::size_t longest = 0;
      if (!alone) get(c, 0, 1, 2);
      for (Coverage::Handle h = 1; h < 200; ++h) {
        c.opened(h);
        for (std::uint64_t piece = 0; piece < 100; ++piece) c.booked(h, far + h * 10000 + piece * 2, 1);
        longest = std::max(longest, c.text().size());
        in_order ? void(c.closed(h, kNow)) : c.broken(h, kNow);
        longest = std::max(longest, c.text().size());
      }
      EXPECT_LT(longest, 32U * 1024) << in_order << alone;
    }
}

// --- Text

TEST(Coverage, TextIsReadBack) {
  auto c = hundred();
  get(c, 1, 0, 30);
  c.broken(1, kNow);
  get(c, 2, 20, 40);
  c.closed(2, kNow);
  get(c, 3, 35, 60);
  EXPECT_EQ(c.text(), "sent 75\nbroke\nfinished 0-20\nfinished 20-40\ntentative 35-60\n");
  const auto again = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  EXPECT_EQ(again.text(), c.text());
  EXPECT_EQ(again.bytes_sent(), 75U);
  EXPECT_EQ(again.open_handles(), 0U);
}

TEST(Coverage, TextWithCutsAndDoubtIsReadBack) {
  auto c = hundred();
  get(c, 1, 0, 100);
  get(c, 2, 50, 60);
  get(c, 3, 70, 80);
  c.closed(1, kNow);
  EXPECT_EQ(c.text(), "sent 120\nin-chunks\nbroke\nfinished 0-100\ncut 50\ncut 70\n");
  EXPECT_EQ(testkit::must(Coverage::parse(c.text(), 100, kWaits)).text(), c.text());
  c.opened(4);  // its start will never be known
  EXPECT_EQ(c.text(), "sent 120\ndoubt\nin-chunks\n");
  EXPECT_EQ(testkit::must(Coverage::parse(c.text(), 100, kWaits)).text(), c.text());
}

TEST(Coverage, OpenHandlesComeBackAsBrokenOnes) {
  auto c = hundred();
  get(c, 1, 0, 100);
  auto again = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  again.settle(kNow);
  EXPECT_EQ(again.due(), std::nullopt);
  EXPECT_FALSE(again.closed(1, kNow));
}

TEST(Coverage, AResumeSurvivesARestart) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.broken(1, kNow);
  get(c, 2, 45, 60);
  auto again = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  get(again, 3, 60, 100);
  EXPECT_FALSE(again.closed(3, kNow));
  EXPECT_EQ(again.due(), kNow + kSettle);
}

TEST(Coverage, TheWaitOfRuleCBeginsAnewAfterARestart) {
  auto c = hundred();
  get(c, 1, 0, 50);
  c.closed(1, kNow);
  get(c, 2, 50, 100);
  c.closed(2, kNow);
  auto again = testkit::must(Coverage::parse(c.text(), 100, kWaits));
  EXPECT_EQ(again.due(), std::nullopt);
  again.settle(7);
  EXPECT_EQ(again.due(), 7 + kSettle);
}

TEST(Coverage, TextOfAnEmptyRecordingIsReadBack) {
  Coverage c(0, kWaits);
  c.opened(1);
  c.opened(2);
  c.closed(1, kNow);
  auto again = testkit::must(Coverage::parse(c.text(), 0, kWaits));
  again.settle(kNow);
  EXPECT_EQ(again.due(), kNow + kSettle);
}

TEST(Coverage, DamagedTextIsRefused) {
  for (const std::string_view text : {"",
                                      "sent",
                                      "sent 1",
                                      "sent x\n",
                                      "sent 01\n",
                                      "finished 0-1\n",
                                      "sent 1\nfinished 0-101\n",
                                      "sent 1\nfinished \n",
                                      "sent 1\ntentative \n",
                                      "sent 1\nfinished 0-1",
                                      "sent 1\ntentative 0-1\nfinished 0-1\n",
                                      "sent 1\nother 0-1\n",
                                      "sent 1\ncut 100\n",
                                      "sent 1\ncut \n",
                                      "sent 1\ncut 5\ncut 5\n",
                                      "sent 1\ncut 5\ncut 4\n",
                                      "sent 1\ncut 5\ntentative 0-1\n",
                                      "sent 1\ncut 5\nfinished 0-1\n",
                                      "sent 1\ndoubt\ncut 5\n",
                                      "sent 1\nbroke\nin-chunks\n",
                                      "sent 1\nwhole\nwhole\n",
                                      "sent 1\nwhole\n",
                                      "sent 1\nwhole\nfinished 0-10\n",
                                      "sent 1\nfinished 0-1\ndoubt\n",
                                      "sent 1\ndoubt",
                                      "sent 1\ndoubt \n",
                                      "sent 1\n\n",
                                      "sent 1\nfinished 5-1\n",
                                      "sent 1\nfinished 0-1\r\n",
                                      "sent 1\nsent 1\n"})
    EXPECT_FAULT(Fault::damaged, Coverage::parse(text, 100, kWaits)) << text;
}

// --- Random operations against a model
//
// Invariant: what is called delivered (at once, or due) has every byte in the union of what closed handles were sent
// and of what broken handles were sent right before the point at which a later handle, now closed, went on.

constexpr std::size_t kBytes = 24;
using Bitmap = std::vector<bool>;

struct Model {
  struct Handle {
    bool started = false, alone = true;
    Bitmap got = Bitmap(kBytes), resumed = Bitmap(kBytes);
  };
  std::map<Coverage::Handle, Handle> open;
  std::vector<Bitmap> closed;
  Bitmap broken = Bitmap(kBytes);

  void booked(Coverage::Handle h, std::size_t at, std::size_t length) {
    Handle& handle = open.at(h);
    if (!handle.started)
      for (std::size_t i = at; i > 0 && broken[i - 1]; --i) handle.resumed[i - 1] = true;
    handle.started = true;
    for (std::size_t i = at; i < std::min(at + length, kBytes); ++i) handle.got[i] = true;
  }
  void end(Coverage::Handle h, bool in_order) {
    const Handle handle = open.at(h);
    open.erase(h);
    for (const auto& bits : {handle.got, handle.resumed}) {
      if (in_order) closed.push_back(bits);
      for (std::size_t i = 0; i < kBytes; ++i)
        if (!in_order && bits[i]) broken[i] = true;
    }
  }
  bool proved() const {
    for (std::size_t i = 0; i < kBytes; ++i)
      if (std::ranges::none_of(closed, [&](const Bitmap& bits) { return bits[i]; })) return false;
    return true;
  }
};

bool all(const Bitmap& bits) { return std::ranges::find(bits, false) == bits.end(); }

TEST(Coverage, RandomOperationsNeverProveMoreThanTheModel) {
  std::mt19937 random(20261122);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int delivered = 0, due = 0, ended_due = 0;
  for (int round = 0; round < 5000; ++round) {
    Coverage c(kBytes, kWaits);
    Model model;
    Coverage::Handle next = 1;
    std::map<Coverage::Handle, bool> told_eof;
    bool finished = false;
    for (int step = 0; step < 40 && !finished; ++step) {
      const auto what = below(11);
      if (what < 2 || model.open.empty()) {
        c.opened(next);
        model.open[next++];
        for (auto& [handle, other] : model.open) other.alone = other.alone && model.open.size() == 1;
        EXPECT_EQ(c.due(), std::nullopt);
        continue;
      }
      const auto h = std::next(model.open.begin(), static_cast<std::ptrdiff_t>(below(model.open.size())))->first;
      if (what < 7) {
        const auto at = below(3) == 0 ? 0 : below(kBytes + 1), length = below(kBytes + 1);
        const bool eof = below(4) == 0;
        c.booked(h, at, length, eof);
        model.booked(h, at, length);
        told_eof[h] = told_eof[h] || eof;
      } else if (what == 10) {
        const bool in_order = !model.open.at(h).alone || told_eof[h];
        c.ended(h, kNow);
        model.end(h, in_order);
        if (c.due()) ++ended_due;
      } else if (what < 9) {
        const bool rule_a = model.open.at(h).alone && all(model.open.at(h).got);
        model.end(h, true);
        finished = c.closed(h, kNow);
        EXPECT_EQ(finished, rule_a && !c.in_chunks());
        EXPECT_TRUE(!rule_a || finished || c.due());
      } else if (below(3) == 0) {  // the keeper starts again
        c = testkit::must(Coverage::parse(c.text(), kBytes, kWaits));
        c.settle(kNow);
        while (!model.open.empty()) model.end(model.open.begin()->first, false);
      } else {
        c.broken(h, kNow);
        model.end(h, false);
      }
      if (finished || c.due()) {
        ASSERT_TRUE(model.proved()) << "round " << round << " step " << step << "\n" << c.text();
        ASSERT_TRUE(model.open.empty());
        ++(finished ? delivered : due);
      }
    }
  }
  EXPECT_GT(delivered, 100) << "the test must reach deliveries";
  EXPECT_GT(due, 100);
  EXPECT_GT(ended_due, 50);
}

// Rule C byte by byte: a part counts byte i unless another part begins after its own begin and at or before i.
TEST(Coverage, RuleCIsExactlyTheCutUnion) {
  std::mt19937 random(7);
  int complete = 0;
  for (int round = 0; round < 5000; ++round) {
    Coverage c(kBytes, kWaits);
    std::vector<std::pair<std::size_t, std::size_t>> parts;
    for (std::size_t h = 0, count = 1 + random() % 4; h < count; ++h) {
      const std::size_t begin = h == 0 && random() % 3 > 0 ? 0 : 1 + random() % (kBytes - 1);  // one first chunk
      const std::size_t end = random() % 2 == 0 ? kBytes : begin + 1 + random() % (kBytes - begin);
      parts.emplace_back(begin, end);
      get(c, h, begin, end);
    }
    bool at_once = false;
    for (std::size_t h = 0; h < parts.size(); ++h) at_once = c.closed(h, kNow);
    bool expected = true;
    for (std::size_t i = 0; i < kBytes; ++i)
      expected = expected && std::ranges::any_of(parts, [&](const auto& p) {
                   return p.first <= i && i < p.second &&
                          std::ranges::none_of(parts, [&](const auto& q) { return p.first < q.first && q.first <= i; });
                 });
    EXPECT_EQ(at_once, parts.size() == 1 && expected);
    if (at_once) continue;
    EXPECT_EQ(c.due().has_value(), expected) << c.text();
    complete += expected ? 1 : 0;
  }
  EXPECT_GT(complete, 500);
}

// --- Simulated clients, with files of their own

TEST(Coverage, DeliveredMeansThatSomeCopyWasWhole) {
  int delivered = 0, due = 0;
  for (unsigned round = 0; round < 40000; ++round) {
    std::mt19937 random(round);
    testkit::Customer customer([&](std::size_t n) { return static_cast<std::size_t>(random() % n); });
    for (int step = 0; step < 80; ++step) {
      customer.step();
      if (!customer.delivered() && !customer.due()) continue;
      ASSERT_TRUE(customer.has_it()) << "round " << round << "\n" << customer.story();
      ++(customer.delivered() ? delivered : due);
      break;
    }
  }
  EXPECT_GT(delivered, 1000) << "the test must reach deliveries";
  EXPECT_GT(due, 1000);
}

}  // namespace
