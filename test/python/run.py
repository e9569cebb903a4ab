"""Runs every test in this folder, or those named (test_tasks, test_tasks.CreateTask), and reports in TAP."""

import pathlib
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    number = 0

    def report(self, ok, test, note="", text=""):
        self.number += 1
        print("\n".join(f"# {line}" for line in text.splitlines()), end="\n" if text else "")
        print(f"{'ok' if ok else 'not ok'} {self.number} - {test.id()}{note}", flush=True)

    def failed(self, test, error):
        self.report(False, test, text="".join(traceback.format_exception(*error)))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report(True, test)

    def addError(self, test, error):
        super().addError(test, error)
        self.failed(test, error)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.failed(test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.failed(subtest, error)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report(True, test, f" # SKIP {reason}")


def main(names):
    folder = str(pathlib.Path(__file__).parent)
    sys.path.insert(0, folder)
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names) if names else loader.discover(folder)
    result = TapResult()
    suite.run(result)
    print(f"1..{result.number}")
    return 0 if result.wasSuccessful() and result.number > 0 else 1


sys.exit(main(sys.argv[1:]))
