"""The tables of docs/results.md, from the checkpoints that experiments/article.sh made.

uv run python experiments/article_tables.py results/article
"""

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean, stdev

from kextract.records import EpochRecord
from kextract.storage import CheckpointInfo, read_info

Runs = dict[tuple[str, str], list[CheckpointInfo]]
"""The runs of all seeds by data set and kind, such as ("mnist", "random-article")."""

# Vinell 2020, "Data-less knowledge extraction from models?": starting, best and last loss and
# accuracy; he has no spread and no last epoch for his teachers.
ARTICLE = {
    ("mnist", "teacher"): (None, None, 0.1209, 0.9839, None, None),
    ("mnist", "random"): (3.6675, 0.1356, 3.2609, 0.1028, 5.3035, 0.1005),
    ("mnist", "adversarial"): (3.8050, 0.0780, 2.6626, 0.2088, 10.4065, 0.1470),
    ("cifar10", "teacher"): (None, None, 0.9750, 0.7352, None, None),
    ("cifar10", "random"): (5.0351, 0.0992, 2.7919, 0.0978, 3.4699, 0.0978),
    ("cifar10", "adversarial"): (3.6181, 0.1034, 2.6626, 0.1178, 2.6995, 0.1110),
}
HEADER = (
    "| run | seeds | starting loss | starting accuracy | best loss | best accuracy | last loss"
    " | last accuracy | test accuracy |"
)


def collect(folder: Path) -> Runs:
    """Read all runs of the study, in the order of their seeds."""
    runs: Runs = defaultdict(list)
    for path in sorted(folder.glob("*.weights.h5")):
        name = re.fullmatch(r"(mnist|cifar10)-(.+)-(\d+)\.weights\.h5", path.name)
        info = read_info(path) if name else None
        if name and info:
            runs[name[1], name[2]].append(info)
    return runs


def figures(info: CheckpointInfo) -> list[float]:
    """Give starting, best and last validation loss and accuracy, and the test accuracy."""
    trained = [record for record in info.history if record.epoch > 0]
    last = trained[-1] if info.kind == "student" else _kept(trained)
    return [
        *_pair(info.history[0]),
        min(_pair(record)[0] for record in trained),
        max(_pair(record)[1] for record in trained),
        *_pair(last),
        info.test["accuracy"],
    ]


def _kept(trained: list[EpochRecord]) -> EpochRecord:
    """Give the epoch whose weights a teacher has."""
    return max(trained, key=lambda record: _pair(record)[1])


def _pair(record: EpochRecord) -> tuple[float, float]:
    assert record.loss is not None and record.accuracy is not None, "the study had its data"
    return record.loss, record.accuracy


def spread(values: Iterable[float]) -> str:
    """Write mean and standard deviation over the seeds."""
    numbers = list(values)
    mean = f"{fmean(numbers):.4f}"
    return f"{mean} ± {stdev(numbers):.4f}" if len(numbers) > 1 else mean


def results_table(dataset: str, runs: Runs) -> Iterable[str]:
    """Yield the article's figures and ours below each other."""
    yield HEADER
    yield "| --- " + "| ---: " * 8 + "|"
    for kind in ("teacher", "random", "adversarial"):
        his = ["--" if value is None else f"{value:.4f}" for value in ARTICLE[dataset, kind]]
        yield f"| {kind}, the article | 1 | {' | '.join(his)} | -- |"
        for recipe in ("",) if kind == "teacher" else ("article", "corrected"):
            infos = runs.get((dataset, f"{kind}-{recipe}" if recipe else kind), [])
            if not infos:
                continue
            columns = zip(*map(figures, infos), strict=True)
            label = f"{kind}, `{recipe}` recipe" if recipe else f"{kind}, ours"
            yield f"| {label} | {len(infos)} | {' | '.join(map(spread, columns))} |"


def noise_table(runs: Runs) -> Iterable[str]:
    """Yield what the noise was like and how far the students followed their teachers on it."""

    def mean(name: str) -> Callable[[CheckpointInfo], float]:
        return lambda info: fmean(r.details[name] for r in info.history if name in r.details)

    columns: dict[str, Callable[[CheckpointInfo], float]] = {
        "crafting steps a batch": mean("iterations"),
        "teacher's confidence in the class": mean("confidence"),
        "agreement on the noise, last epoch": _last_on_noise,
        "agreement on validation images, last epoch": _last_on_images,
    }
    yield f"| run | {' | '.join(columns)} |"
    yield "| --- " + "| ---: " * len(columns) + "|"
    for (dataset, kind), infos in runs.items():
        if kind == "teacher":
            continue
        cells = []
        for name, take in columns.items():
            missing = "random" in kind and name.startswith(("crafting", "teacher"))
            cells.append("--" if missing else spread(take(info) for info in infos))
        yield f"| {dataset}, {kind} | {' | '.join(cells)} |"


def _last_on_noise(info: CheckpointInfo) -> float:
    return info.history[-1].details["transfer_agreement"]


def _last_on_images(info: CheckpointInfo) -> float:
    agreement = info.history[-1].agreement
    assert agreement is not None, "the study had its data"
    return agreement


def main() -> None:
    """Print all tables as Markdown."""
    runs = collect(Path(sys.argv[1] if len(sys.argv) > 1 else "results/article"))
    for dataset, title in (("mnist", "MNIST"), ("cifar10", "CIFAR-10 (JPEG)")):
        print(f"### {title}\n", *results_table(dataset, runs), "", sep="\n")
    print("### The noise\n", *noise_table(runs), sep="\n")


if __name__ == "__main__":
    main()
