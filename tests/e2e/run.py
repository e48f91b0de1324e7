"""Runs one end-to-end test case by name. Exit 0: passed, 1: failed, 77: skipped, with the reason on stdout."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]))
for case, reason in result.skipped:
    print(f"SKIPPED: {case}: {reason}")
if not result.wasSuccessful() or result.testsRun == 0:
    sys.exit(1)
sys.exit(77 if result.skipped else 0)
