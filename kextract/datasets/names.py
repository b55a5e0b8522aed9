"""The data sets that have a name, and what their classes are called, or those in a file of names.

Help texts list them, so this module imports nothing that takes time, NumPy included.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kextract.errors import RequestError
from kextract.text import decoded, one_line

if TYPE_CHECKING:
    from kextract.datasets.images import Arrays

LONGEST_FILE = 1 << 22
"""Bytes of a file of names."""
LONGEST_NAME = 200

DIGITS = tuple("0123456789")

FASHION_MNIST = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip

CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer",
    "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

CIFAR100 = (
    "apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak tree", "orange", "orchid", "otter", "palm tree", "pear", "pickup truck", "pine tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake",
    "spider", "squirrel", "streetcar", "sunflower", "sweet pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow tree", "wolf", "woman", "worm",
)  # fmt: skip
"""The fine labels."""


def read_class_names(path: Path, classes: int | None = None) -> tuple[str, ...]:
    """Read a name per class: one per line, or in a .json file a list or an object by label.

    Raises RequestError for a file that cannot be read, or has not as many names as `classes`.
    """
    where = f"--class-names {one_line(path)}"
    try:
        with path.open("rb") as file:
            found = parse_names(file.read(LONGEST_FILE), json=path.suffix == ".json")
    except OSError as error:
        raise RequestError(f"{where}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"{where}: expected text with a name per line, or in JSON one for each label from 0 on"
        ) from error
    if classes is not None and len(found) != classes:
        raise RequestError(f"{where}: has {len(found)} names, but there are {classes} classes")
    if not are_names(found):
        raise RequestError(f"{where}: has a name that is empty, too long or not printable")
    return found


def are_names(found: Sequence[str]) -> bool:
    """Tell whether untrusted texts can be shown as names."""
    return all(name.isprintable() and 0 < len(name) <= LONGEST_NAME for name in found)


def parse_names(data: bytes, *, json: bool = False) -> tuple[str, ...]:
    """Read names from the content of a file, see `read_class_names`. Raises ValueError."""
    text = decoded(data)
    return _of_json(loads(text)) if json else _of_lines(text)


def numerals(count: int) -> tuple[str, ...]:
    """Name classes without names: the numbers from 0 on."""
    return tuple(map(str, range(count)))


def _of_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _of_json(value: Any) -> tuple[str, ...]:
    """Take names from a list, from {"0": "cat"}, or from {"cat": 0} as Keras's generators have it.

    Raises ValueError for anything else.
    """
    if isinstance(value, dict):
        pairs = [
            (key, name) if isinstance(name, str) else (name, key) for key, name in value.items()
        ]
        labels = {int(label): name for label, name in pairs}
        value = [labels.get(label) for label in range(len(pairs))]
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("no names")
    return tuple(value)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A data set with a name."""

    description: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    flip: bool
    """Whether an image mirrored left to right is still of its class."""
    train: int
    """Training images."""
    generate: "Callable[[], Arrays] | None" = None
    """Makes the data set; None for one that is downloaded through `keras.datasets`."""


def _strokes() -> "Arrays":
    from kextract.datasets.strokes import load_strokes

    return load_strokes()


DATASETS: dict[str, DatasetSpec] = {
    "mnist": DatasetSpec(
        "handwritten digits, 70,000 images of 28x28x1, 10 classes",
        (28, 28, 1),
        DIGITS,
        flip=False,
        train=60_000,
    ),
    "fashion-mnist": DatasetSpec(
        "pieces of clothing, 70,000 images of 28x28x1, 10 classes",
        (28, 28, 1),
        FASHION_MNIST,
        flip=True,
        train=60_000,
    ),
    "cifar10": DatasetSpec(
        "animals and vehicles, 60,000 images of 32x32x3, 10 classes",
        (32, 32, 3),
        CIFAR10,
        flip=True,
        train=50_000,
    ),
    "cifar100": DatasetSpec(
        "animals, plants and things, 60,000 images of 32x32x3, 100 classes",
        (32, 32, 3),
        CIFAR100,
        flip=True,
        train=50_000,
    ),
    "strokes": DatasetSpec(
        "pen-drawn digits, generated without a download, 14,000 images of 28x28x1, 10 classes",
        (28, 28, 1),
        DIGITS,
        flip=False,
        train=12_000,
        generate=_strokes,
    ),
}
