"""Images in memory: pixels, what models see of them, other sizes, shifts and mirror images.

A data set is labelled images in two splits, and what their classes are called.
"""

import json
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kextract.errors import DatasetError, RequestError
from kextract.seeds import Stream, random_generator
from kextract.text import counted, dimensions, listed, one_line

if TYPE_CHECKING:
    import tensorflow as tf

Pixels = NDArray[np.uint8]
"""Images (n, h, w, c), or one (h, w, c); c is 1 or 3."""
Labels = NDArray[np.int64]
"""Class indices (n,)."""
ENOUGH_IMAGES = 100
"""With fewer labelled images, accuracies that are points apart may be equal."""

_MIDDLE = 127.5
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness, ITU-R BT.601."""


@dataclass(frozen=True)
class Images:
    """One part of a data set: uint8 images (n, h, w, c) and int labels (n,)."""

    x: Pixels
    y: NDArray[np.integer[Any]]


def centred(pixels: Any) -> Any:
    """Map floats from 0 to 255, an array or a tensor, to [-1, 1], as (x - 127.5) / 127.5."""
    return (pixels - _MIDDLE) / _MIDDLE


def scale(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Map uint8 images of any shape to float32 in [-1, 1]."""
    scaled: NDArray[np.float32] = centred(images.astype(np.float32))
    return scaled


def unscale(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Map floats in [-1, 1] to the nearest uint8, clipping what lies outside: undoes `scale`."""
    levels: NDArray[np.floating] = np.rint(np.clip(images, -1.0, 1.0) * _MIDDLE + _MIDDLE)
    return levels.astype(np.uint8)


def fitted(images: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Bring uint8 images (n, h, w, 1 or 3) to uint8 (n, *shape).

    Size: bilinear, and averaged over the area that becomes a pixel where an image shrinks. Colour
    becomes grey by its luma, grey becomes colour by having it three times.
    """
    if images.shape[1:] == shape:
        return images
    result = np.empty((len(images), *shape), np.uint8)
    for target, image in zip(result, images, strict=True):
        if image.shape[-1] == 3 and shape[-1] == 1:
            image = image @ np.array(LUMA, np.float32)[:, None]
        for channel in range(shape[-1]):
            # A grey image has one channel, which is the same in all of the result's.
            pixels = image[..., min(channel, image.shape[-1] - 1)].astype(np.float32)
            target[..., channel] = np.rint(_resized(pixels, shape[:2])).clip(0, 255)
    return result


def _resized(pixels: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize float32 (h, w); bytes would be rounded twice."""
    if pixels.shape == size:
        return pixels
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))


def augment(images: "tf.Tensor", *, shift: int, flip: bool, seed: "tf.Tensor") -> "tf.Tensor":
    """Shift every image by up to `shift` pixels along each axis, and mirror half of them.

    `images` is (n, h, w, c) of any float type; n may be unknown, h and w may not. What a shift
    uncovers is filled by reflection at the border, which continues both plain grounds and textures.
    `seed` is int32 (2,): the same seed gives the same result. Mirroring is left to right, with
    probability 1/2, only with `flip`. `shift` is smaller than both sides.
    """
    import tensorflow as tf

    height, width, channels = images.shape[1:]
    if not (shift or flip):
        return images
    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform((count, 3), seed)
    offsets = tf.cast(tf.floor(draws[:, :2] * (2 * shift + 1)), tf.int32) - shift
    rows = _reflect(tf.range(height) + offsets[:, :1], height)
    columns = _reflect(tf.range(width) + offsets[:, 1:], width)
    if flip:
        columns = tf.where(draws[:, 2:] < 0.5, width - 1 - columns, columns)
    # One gather of whole pixels is faster than padding and cropping, or than a gather per axis.
    indices = tf.reshape(rows[:, :, None] * width + columns[:, None, :], (count, height * width))
    pixels = tf.reshape(images, (count, height * width, channels))
    moved = tf.gather(pixels, indices, batch_dims=1)
    return tf.reshape(moved, (count, height, width, channels))


def check_shift(shift: int, input_shape: tuple[int, int, int]) -> None:
    """Refuse to shift images out of sight."""
    if shift >= min(input_shape[:2]):
        raise RequestError(
            f"--shift {shift}: must be smaller than the images, which are"
            f" {dimensions(input_shape[:2])}"
        )


def _reflect(index: "tf.Tensor", size: int) -> "tf.Tensor":
    """Send indices beyond a border back inside, the border itself not repeated."""
    import tensorflow as tf

    return size - 1 - tf.abs(size - 1 - tf.abs(index))


Arrays = tuple[Pixels | None, Labels | None, Pixels | None, Labels | None]
"""x_train, y_train, x_test, y_test; None for a split that is not there."""

MIN_SIDE = 16
"""Smallest height and width that the models can take, pixels."""
MAX_SIDE = 4096
"""Largest height and width of an image that is read, pixels."""
MAX_NAMES_BYTES = 1 << 20
"""Most that the class names may take as JSON, bytes: what a checkpoint can hold."""

TEST_FRACTION = 1 / 6
"""Share of the images that becomes the test split where a data set has none, as in MNIST."""
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in two splits, of which one may be missing.

    Images are uint8 (n, h, w, c) with c 1 or 3 and at least 16x16 pixels, as whoever reads them
    makes sure; labels int64 (n,) from 0 to `classes` - 1. Raises DatasetError for other labels and
    for splits that differ; the message begins with `source` (the file or folder), or else with the
    data set's name.
    """

    name: str
    x_train: Pixels | None
    y_train: Labels | None
    x_test: Pixels | None
    y_test: Labels | None
    class_names: tuple[str, ...]
    flip: bool = False
    """Whether an image mirrored left to right is still of its class."""
    source: InitVar[str | None] = None
    notes: tuple[str, ...] = ()
    """What is worth a line before anything is done with it: what was left out, or was guessed."""

    def __post_init__(self, source: str | None) -> None:
        where = one_line(source or f"data set '{self.name}'")
        if self.classes < 2:
            raise DatasetError(f"{where}: expected at least 2 classes, found {self.classes}")
        if len(json.dumps(self.class_names)) > MAX_NAMES_BYTES:
            raise DatasetError(f"{where}: expected class names of at most 1 MiB in all, found more")
        _check_labels(where, "train", self.y_train, self.classes)
        _check_labels(where, "test", self.y_test, self.classes)
        if self.x_train is not None and self.x_test is not None:
            train, test = self.x_train.shape[1:], self.x_test.shape[1:]
            if train != test:
                raise DatasetError(
                    f"{where}: expected training and test images of one shape, "
                    f"found {dimensions(train)} and {dimensions(test)}"
                )

    @property
    def nbytes(self) -> int:
        """How much memory its images take, bytes."""
        return sum(part.nbytes for part in (self.x_train, self.x_test) if part is not None)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        images = self.x_test if self.x_train is None else self.x_train
        assert images is not None
        height, width, channels = images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)


def check_channels(where: str, shape: tuple[int, ...]) -> None:
    """Raise DatasetError unless `shape` is (h, w, c) of an image in grey or in colour."""
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DatasetError(
            f"{where}: expected images of shape (height, width, 1 or 3), found {dimensions(shape)}"
            f"{_remedy(shape)}"
        )


def _remedy(shape: tuple[int, ...]) -> str:
    if len(shape) == 3 and shape[0] in (1, 3):
        return "; channels come last here: transpose the array to (n, height, width, channels)"
    if len(shape) == 3 and shape[2] in (2, 4):
        return "; the last channel may be transparency: leave it out, or lay the images on a ground"
    return ""


def check_image_shape(where: str, shape: tuple[int, ...]) -> None:
    """Raise DatasetError unless `shape` is (h, w, c) of an image that models can take."""
    check_channels(where, shape)
    if min(shape[:2]) < MIN_SIDE:
        raise DatasetError(
            f"{where}: expected images of at least {MIN_SIDE}x{MIN_SIDE} pixels, "
            f"found {dimensions(shape[:2])}"
        )


def _check_labels(where: str, split: str, labels: Labels | None, classes: int) -> None:
    if labels is None:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        from_1 = "; labels that begin at 1 are one too high" if (low, high) == (1, classes) else ""
        raise DatasetError(
            f"{where}: expected labels from 0 to {classes - 1} in y_{split}, "
            f"found {low if low < 0 else high}{from_1}"
        )


FIRST, EVENLY = "first", "evenly"


@dataclass(frozen=True, slots=True)
class Holdout:
    """Which training images are held out for validation; a student is measured on its teacher's."""

    seed: int = 0
    fraction: float = 0.1
    limit: int | None = None
    """Use only this many training images, held-out ones included."""
    drawing: str = FIRST
    """Drawn `EVENLY` from all classes; the `FIRST` in checkpoints that do not say."""

    def __post_init__(self) -> None:
        """Refuse what a checkpoint may say, but no option can."""
        if not 0 < self.fraction < 1:
            raise ValueError(f"a share of {self.fraction} is held out")
        if self.drawing not in (FIRST, EVENLY):
            raise ValueError(f"images are drawn '{self.drawing}'")


def cut(data: Dataset, part: str, holdout: Holdout) -> Images:
    """Return the test, validation or training images; raise DatasetError where there are none."""
    if part == "test":
        return _part(data, part, data.x_test, data.y_test)
    everything = _part(data, "training", data.x_train, data.y_train)
    used = _used(everything, holdout)
    training, validation = split(len(used), holdout.fraction, holdout.seed)
    chosen = used[validation if part == "validation" else training]
    return Images(everything.x[chosen], everything.y[chosen])


def _part(data: Dataset, name: str, x: Any, y: Any) -> Images:
    if x is None or not len(x):
        raise DatasetError(f"data set '{data.name}' has no {name} images")
    return Images(x, y)


def _used(everything: Images, holdout: Holdout) -> Indices:
    """Return the indices of the training images that are used, all without a limit."""
    count = len(everything.x)
    if holdout.limit is not None and holdout.drawing == EVENLY:
        return draw_evenly(everything.y, holdout.limit, holdout.seed)
    return np.arange(count if holdout.limit is None else min(holdout.limit, count))


def too_few_to_judge(validation: Images | None) -> tuple[str, ...]:
    """Say in one line that accuracies on so few validation images mean little; else nothing."""
    if validation is None or len(validation.x) >= ENOUGH_IMAGES:
        return ()
    count = len(validation.x)
    return (
        f"{count} validation image{'s are' if count > 1 else ' is'} too few to judge by: each moves"
        f" the accuracy by {100 / count:.1f} points",
    )


def classes_left_out(training: Images, data: Dataset, limit: int | None) -> tuple[str, ...]:
    """Say in one line which classes a `--limit` leaves without a training image; else nothing."""
    missing = np.setdiff1d(np.arange(data.classes), training.y)
    if limit is None or not len(missing):
        return ()
    names = listed([data.class_names[label] for label in missing])
    return (
        f"--limit {limit} leaves no training image of {counted(len(missing), 'class')}: {names}",
    )


def split(n: int, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Divide range(n) at random into training and validation indices.

    `fraction` of them, rounded, are for validation; the same seed (0 or more) gives the same ones.
    Raises DatasetError where either side would be empty.
    """
    held_out = round(n * fraction) if 0 < fraction < 1 else 0
    if not 0 < held_out < n:
        raise DatasetError(
            f"--validation-fraction {fraction:g}: expected a share between 0 and 1 that leaves "
            f"images on both sides, found {n} images in all; choose another share"
        )
    return _divide(n, held_out, Stream.VALIDATION, seed)


def draw_evenly(labels: NDArray[np.integer[Any]], count: int, seed: int) -> Indices:
    """Draw `count` of the images with these labels at random, as many of every class.

    Where a class has fewer than its share, the others give more. The same seed (0 or more) gives
    the same ones, in ascending order; all where there are not more than `count`.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    order = random_generator(Stream.LIMITED, seed).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return np.sort(order[np.argsort(rank[order], kind="stable")[:count]])


def hold_out_test(source: str, images: Pixels, labels: Labels) -> Arrays:
    """Make a test split: a sixth of the images, always the same ones.

    Raises DatasetError, naming `source`, where there are fewer than two images.
    """
    if len(images) < 2:
        raise DatasetError(
            f"{source}: expected at least 2 images to set some aside as test images, "
            f"found {len(images)}; add training or test images"
        )
    held_out = max(1, round(len(images) * TEST_FRACTION))
    train, test = _divide(len(images), held_out, Stream.TEST, 0)
    return images[train], labels[train], images[test], labels[test]


def _divide(n: int, held_out: int, stream: Stream, seed: int) -> tuple[Indices, Indices]:
    order = random_generator(stream, seed).permutation(n)
    return order[held_out:], order[:held_out]
