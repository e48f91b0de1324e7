// EXPECT_OK, ASSERT_OK, EXPECT_FAULT: assertions on Result that print the error.
#pragma once

#include <gtest/gtest.h>

#include "base/result.h"

namespace testkit {

template <class T>
::testing::AssertionResult is_ok(const base::Result<T>& r) {
  if (r) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "fault " << static_cast<int>(r.error().fault) << ": " << r.error().what;
}

template <class T>
::testing::AssertionResult is_fault(const base::Result<T>& r, base::Fault fault) {
  if (r) return ::testing::AssertionFailure() << "it succeeded";
  if (r.error().fault == fault) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "fault " << static_cast<int>(r.error().fault) << ": " << r.error().what;
}

// The value, or the end of the test program: for set-up steps.
template <class T>
T must(base::Result<T> r) {
  if (!r) {
    std::fprintf(stderr, "set-up failed: %s\n", r.error().what.c_str());
    std::abort();
  }
  return std::move(*r);
}

inline void must(const base::Result<void>& r) {
  if (r) return;
  std::fprintf(stderr, "set-up failed: %s\n", r.error().what.c_str());
  std::abort();
}

}  // namespace testkit

#define EXPECT_OK(result) EXPECT_TRUE(::testkit::is_ok(result))
#define ASSERT_OK(result) ASSERT_TRUE(::testkit::is_ok(result))
#define EXPECT_FAULT(fault, result) EXPECT_TRUE(::testkit::is_fault(result, fault))
#define ASSERT_FAULT(fault, result) ASSERT_TRUE(::testkit::is_fault(result, fault))
