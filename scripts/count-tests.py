#!/usr/bin/env python3
"""Counts the results in a JUnit file written by ctest or by GoogleTest; the last line is "N passed, N failed, N skipped".

Skipped tests are listed with their reason. A test that ctest could not run at all (no program, a failed fixture) has
failed, not skipped. Exits with 1 when a test failed or when none passed.
"""
import re
import sys
import xml.etree.ElementTree as xml

ON_PURPOSE = ("SKIP_REGULAR_EXPRESSION_MATCHED", "SKIP_RETURN_CODE=")  # what ctest says of a test that skipped itself


def outcome(case):
    skipped, status = case.find("skipped"), case.get("status")
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if status == "disabled" or case.get("result") == "suppressed":  # in ctest's words, in GoogleTest's
        return "skipped"
    if skipped is not None:
        by_ctest = status == "notrun"
        return "skipped" if not by_ctest or skipped.get("message", "").startswith(ON_PURPOSE) else "failed"
    return "passed" if status == "run" else "failed"


def reason(case):
    skipped = case.find("skipped")
    if skipped is None:
        return "disabled"
    said = f"{skipped.get('message')}\n{case.findtext('system-out')}"
    match = re.search(r": Skipped\n(.+)|SKIPPED: (.+)|^\S+:\d+\n(.+)", said)  # GTEST_SKIP, a script, GoogleTest's own file
    return match.group(match.lastindex) if match else "no reason given"


counts = {"passed": 0, "failed": 0, "skipped": 0}
for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
    result = outcome(case)
    counts[result] += 1
    if result == "skipped":
        print(f"SKIPPED {case.get('name')}: {reason(case)}")
    elif result == "failed":
        print(f"FAILED {case.get('name')}")
print(", ".join(f"{count} {result}" for result, count in counts.items()))
sys.exit(counts["failed"] > 0 or counts["passed"] == 0)
