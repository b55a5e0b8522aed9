"""`python -m tests.fuzzing KIND --count 4000`: reads damaged files and says what became of them."""

import argparse
import faulthandler
import sys
import time

from tests.fuzzing.families import FAMILIES
from tests.fuzzing.running import run

LONGEST = 3600
"""Seconds after which it hangs; where a crash or a hang falls, `--first` and `--count` find out."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[2].strip())
    parser.add_argument("kind", choices=sorted(FAMILIES))
    parser.add_argument("--count", type=int, default=1000, help="files to read")
    parser.add_argument("--seed", type=int, default=0, help="makes other files")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    options = parser.parse_args()
    faulthandler.enable()
    faulthandler.dump_traceback_later(LONGEST, exit=True)
    started = time.monotonic()
    report = run(FAMILIES[options.kind](options.seed), options.count, options.first)
    for (base, what), count in sorted(report.counts.items()):
        print(f"{base:16}{what:16}{count:8}")
    print(f"slowest {report.slowest:.3f} s, most memory {report.largest:.0f} MB")
    print(f"{options.count} files in {time.monotonic() - started:.0f} s")
    for failure in report.failures:
        print("FAILED", failure)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
