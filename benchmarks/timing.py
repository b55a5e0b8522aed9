"""Contenders timed in turn, and the table of what came of it.

What one contender takes changes with whatever else the machine does; what two take one after the
other changes alike. So ratios are those of pairs, one round each, and absolute times are beside the
point.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median

from kextract import runtime

Timed = Callable[[], object]
"""Works, and returns `Elsewhere` if it was another process that worked."""


class Elsewhere(float):
    """The seconds that another process has worked."""


def processor_seconds() -> float:
    """Return the processor time that this process and its finished children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "processor": processor_seconds,
}
"""By the wall, or by what the processor worked, which a busy machine hardly changes."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return what reads the options that all benchmarks have."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, help="processor threads (default: all cores)")
    made.add_argument("--clock", choices=CLOCKS, default="wall")
    made.add_argument(
        "--smallest", action="store_true", help="try that it runs: one round, one call, one case"
    )
    return made


def begin(
    description: str | None, *, rounds: int = 5, reading: argparse.ArgumentParser | None = None
) -> argparse.Namespace:
    """Read rounds, threads and clock of the command line, start TensorFlow and say on what.

    `reading` is a `parser` with options of the benchmark's own.
    """
    reading = reading or parser(description)
    reading.add_argument("--rounds", type=int, default=rounds, help="how often each is timed")
    options = reading.parse_args()
    runtime.limit_threads(options.threads)
    runtime.start()
    print(machine(options.threads), end="\n\n")
    return options


def machine(threads: int | None) -> str:
    """Name the processor and the versions that a table is true of."""
    import tensorflow as tf

    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    native = runtime.resolve_precision("auto")
    return (
        f"{processor}, {os.cpu_count()} cores, {threads or 'as many'} threads, {native} native;"
        f" Python {platform.python_version()}, TensorFlow {tf.__version__},"
        f" Keras {version('keras')}, kextract {version('kextract')}"
    )


def compare(
    title: str, contenders: Mapping[str, Timed], options: argparse.Namespace, *, repeats: int = 1
) -> dict[str, list[float]]:
    """Time each contender `repeats` times in a row, round after round, and print a table.

    Returns the seconds of one call in each round, by contender. Each is called once before, so that
    tracing is not timed.
    """
    clock = CLOCKS[options.clock]
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    rounds, repeats = (1, 1) if options.smallest else (options.rounds, repeats)
    for _ in range(rounds):
        for name, run in contenders.items():
            began = clock()
            returned = [run() for _ in range(repeats)]
            here = clock() - began
            others = [each for each in returned if isinstance(each, Elsewhere)]
            seconds[name].append((sum(others) if others else here) / repeats)
    print_table(title, seconds, options.clock)
    return seconds


def print_table(title: str, seconds: dict[str, list[float]], clock: str) -> None:
    """Print the median times, and how many times as fast as the first each is, by pair."""
    first = next(iter(seconds.values()))
    print(f"| {title} | ms by the {clock} clock | times as fast | least | most |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, found in seconds.items():
        ratios = [one / other for one, other in zip(first, found, strict=True)]
        figures = " | ".join(f"{f(ratios):.2f}" for f in (median, min, max))
        print(f"| {name} | {1000 * median(found):,.1f} | {figures} |")
    print(flush=True)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
