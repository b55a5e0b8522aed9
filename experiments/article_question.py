"""The parts of experiments/article_question.sh that are not kextract's own.

    python experiments/article_question.py half DATASET HALF.npz
    python experiments/article_question.py known DATASET CHECKPOINT...
    python experiments/article_question.py show MISTAKES.json KNOWN.json PICTURE

`half` writes the images of the first half of the classes. `known` prints, for networks that were
taught these, one line of JSON each: how well a linear classifier on their features tells the other
classes apart, with 20 and with 100 labelled images of each. `show` prints both tables in Markdown
and draws mistakes shared against accuracy.
"""

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kextract import load, runtime
from kextract.datasets.images import Dataset, Labels, Pixels, scale
from kextract.datasets.loading import load_dataset
from kextract.reports.plots import styled

LABELLED = (20, 100)
DRAWS = 5
"""How often the labelled images are drawn anew."""
RIDGES = 10.0 ** np.arange(-3, 4)
"""Strengths of the ridge regression; leaving one image out at a time chooses among them."""

Floats = NDArray[np.float64]
Features = Callable[[Pixels], Floats]


def labelled(name: str) -> Dataset:
    """Load a data set that has images of both splits."""
    folder = os.environ.get("KEXTRACT_DATA")
    return load_dataset(name, Path(folder) if folder else None)


def write_half(name: str, target: Path) -> None:
    """Write the images of the first half of the classes."""
    data = labelled(name)
    arrays: dict[str, Any] = {}
    for split, images, labels in splits_of(data):
        taken = labels < data.classes // 2
        arrays |= {f"x_{split}": images[taken], f"y_{split}": labels[taken]}
    np.savez_compressed(target, **arrays)


def splits_of(data: Dataset) -> tuple[tuple[str, Pixels, Labels], tuple[str, Pixels, Labels]]:
    """Return name, images and labels of both splits."""
    assert data.x_train is not None and data.y_train is not None
    assert data.x_test is not None and data.y_test is not None
    return ("train", data.x_train, data.y_train), ("test", data.x_test, data.y_test)


def print_what_is_known(name: str, checkpoints: list[str]) -> None:
    """Print accuracies on the classes that networks were not taught, and those of bare pixels."""
    runtime.start()
    data = labelled(name)
    print(json.dumps({"network": "pixels", **accuracies(data, flat)}))
    for checkpoint in checkpoints:
        found = accuracies(data, features_of(checkpoint))
        print(json.dumps({"network": checkpoint, **found}), flush=True)


def flat(images: Pixels) -> Floats:
    """Return the pixels themselves (n, h * w * c), -1 to 1."""
    return scale(images).reshape(len(images), -1).astype(np.float64)


def features_of(checkpoint: str) -> Features:
    """Return what gives the inputs (n, d) of a network's last dense layer for images."""
    model = load(checkpoint)
    import keras

    features = keras.Model(model.inputs, model.layers[-1].input)
    return lambda images: features.predict(scale(images), verbose=0).astype(np.float64)


def accuracies(data: Dataset, features: Features) -> dict[str, float]:
    """Return test accuracies, 0 to 1, by labelled images per class; means of several draws."""
    (_, images, labels), (_, test_images, test_labels) = splits_of(data)
    first = data.classes // 2
    others = test_labels >= first
    seen, wanted = features(test_images[others]), test_labels[others]
    found: dict[str, float] = {}
    for count in LABELLED:
        right = []
        for draw in range(DRAWS):
            random = np.random.default_rng(draw)
            chosen = np.concatenate(
                [
                    random.choice(np.flatnonzero(labels == each), count, replace=False)
                    for each in range(first, data.classes)
                ]
            )
            predicted = ridge(features(images[chosen]), labels[chosen], seen)
            right.append(float((predicted == wanted).mean()))
        found[str(count)] = float(np.mean(right))
    return found


def ridge(features: Floats, labels: NDArray[np.integer], others: Floats) -> NDArray[np.integer]:
    """Classify `others` (m, d) by ridge regression on features (n, d) of labels (n,).

    Each class has targets of 1 and -1. Leave-one-out errors need one decomposition: Hastie et al.,
    "The elements of statistical learning", section 7.10.
    """
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-9
    one, other = (features - mean) / std, (others - mean) / std
    classes = np.unique(labels)
    targets = np.where(labels[:, None] == classes, 1.0, -1.0)
    middle = targets.mean(axis=0)
    left, size, right = np.linalg.svd(one, full_matrices=False)
    best, errors = None, np.inf
    for strength in RIDGES * len(one):
        shrunk = size**2 / (size**2 + strength)
        fitted = left * shrunk @ (left.T @ (targets - middle)) + middle
        own = (left**2 * shrunk).sum(axis=1, keepdims=True) + 1 / len(one)
        error = float(((targets - fitted) ** 2 / (1 - own) ** 2).mean())
        if error < errors:
            weights = right.T * (size / (size**2 + strength)) @ (left.T @ (targets - middle))
            best, errors = weights, error
    assert best is not None
    predicted: NDArray[np.integer] = classes[(other @ best + middle).argmax(axis=1)]
    return predicted


def by_kind(rows: list[dict[str, Any]], name: str) -> dict[str, list[dict[str, Any]]]:
    """Group rows by kind of network: those of all-random-0.weights.h5 are `random`."""
    groups = defaultdict(list)
    for row in rows:
        found = re.search(r"(?:all|half)-(\w+)", row[name])
        groups[found[1] if found else row[name]].append(row)
    return groups


def spread(values: list[float], unit: str = " %") -> str:
    """Write shares as a mean and, of several, a standard deviation: in percent, or as they are."""
    scale, digits = (100, 1) if unit else (1, 2)
    mean = f"{np.mean(values) * scale:.{digits}f}"
    if len(values) > 1:
        mean += f" ± {np.std(values, ddof=1) * scale:.{digits}f}"
    return mean + unit


def table(heads: list[str], rows: Iterator[list[str]]) -> None:
    """Print a table in Markdown, its first column words."""
    print("| " + " | ".join(heads) + " |\n| --- |" + " ---: |" * (len(heads) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def show(mistakes: Path, known: Path, picture: Path) -> None:
    """Print both tables and draw mistakes shared against accuracy."""
    shared, classes = (
        by_kind([json.loads(line) for line in file.read_text().splitlines()], name)
        for file, name in ((mistakes, "checkpoint"), (known, "network"))
    )
    table(
        ["network", "seeds", "accuracy", "agreement", "mistakes repeated", "by chance", "kappa"],
        (
            [
                kind,
                str(len(rows)),
                *(spread([row[each] for row in rows]) for each in ("accuracy", "agreement")),
                *(
                    spread([row["mistakes"][each] for row in rows])
                    for each in ("repeated", "by_chance")
                ),
                spread([row["mistakes"]["kappa"] for row in rows], unit=""),
            ]
            for kind, rows in shared.items()
        ),
    )
    print()
    table(
        ["network", "seeds", *(f"{each} labelled images per class" for each in LABELLED)],
        (
            [kind, str(len(rows)), *(spread([row[str(each)] for row in rows]) for each in LABELLED)]
            for kind, rows in classes.items()
        ),
    )
    draw(shared, picture)


def draw(shared: dict[str, list[dict[str, Any]]], picture: Path) -> None:
    """Draw a dot for each student and a line where independent networks are."""
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.subplots()
        for kind, rows in shared.items():
            repeated = [row["mistakes"]["repeated"] * 100 for row in rows]
            if kind == "second":
                label = "another network of the same data"
                axes.axhline(float(np.mean(repeated)), linestyle="--", color="0.5", label=label)
            axes.plot(
                [row["accuracy"] * 100 for row in rows],
                repeated,
                "o",
                color="0.5" if kind == "second" else None,
                label=None if kind == "second" else kind,
            )
        axes.set(
            xlabel="test accuracy, %",
            ylabel="teacher's mistakes repeated, %",
        )
        axes.legend()
        figure.savefig(picture)


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "half":
        write_half(words[0], Path(words[1]))
    elif command == "known":
        print_what_is_known(words[0], words[1:])
    else:
        show(*(Path(word) for word in words[:3]))
