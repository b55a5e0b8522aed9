"""The table of docs/results.md on students taught without data, from what without_data.sh made.

uv run python experiments/without_data_table.py results/without-data
"""

import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

from kextract.storage import CheckpointInfo, read_info

HEADER = (
    "| task | seeds | teacher | student, last epoch | share of the teacher's | agreement"
    " | validation: last, best epoch | minutes on one core |"
)


def collect(folder: Path) -> dict[str, list[CheckpointInfo]]:
    """Read all students of the study, by task, in the order of their seeds."""
    runs: dict[str, list[CheckpointInfo]] = defaultdict(list)
    for path in sorted(folder.glob("*.weights.h5")):
        name = re.fullmatch(r"(.+)-\d+\.weights\.h5", path.name)
        info = read_info(path) if name else None
        if name and info and info.kind == "student":
            runs[name[1]].append(info)
    return runs


def teachers(*folders: Path) -> dict[str, float]:
    """Read the test accuracies of teachers by file name."""
    found = {}
    for folder in folders:
        for path in folder.glob("*.weights.h5"):
            info = read_info(path)
            if info and info.kind == "teacher":
                found[path.name] = info.test["accuracy"]
    return found


def row(task: str, runs: list[CheckpointInfo], teacher: float) -> str:
    """Write what the seeds of one task gave."""
    accuracies = [run.test["accuracy"] for run in runs]
    cells = [
        task,
        str(len(runs)),
        f"{teacher:.2%}",
        spread(accuracies),
        f"{fmean(accuracies) / teacher:.1%}",
        spread([run.test["agreement"] for run in runs]),
        "; ".join(last_and_best(run) for run in runs),
        f"{max(minutes(run) for run in runs):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def spread(values: list[float]) -> str:
    """Write mean and standard deviation over the seeds."""
    mean = f"{100 * fmean(values):.2f}"
    return f"{mean} ± {100 * stdev(values):.2f} %" if len(values) > 1 else f"{mean} %"


def last_and_best(run: CheckpointInfo) -> str:
    """Write the validation accuracies of the last and of the best epoch."""
    accuracies = [record.accuracy or 0.0 for record in run.history[1:]]
    return f"{100 * accuracies[-1]:.2f}, {100 * max(accuracies):.2f}"


def minutes(run: CheckpointInfo) -> float:
    """Return the wall time of all epochs."""
    return sum(record.seconds for record in run.history) / 60


def main() -> None:
    """Print the table as Markdown."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/without-data")
    known = teachers(folder, Path("checkpoints"))
    print(HEADER, "| --- " + "| ---: " * 7 + "|", sep="\n")
    for task, runs in collect(folder).items():
        print(row(task, runs, known[runs[0].teacher or ""]))


if __name__ == "__main__":
    main()
