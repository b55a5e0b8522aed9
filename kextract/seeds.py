"""Every random stream of the program by name, so that no two of them draw the same numbers.

Not here: the weights of a teacher, which Keras draws from the seed itself, and the augmentation of
its images, which TensorFlow draws from (epoch, step, seed); and what is the same for every seed.
"""

from enum import Enum

import numpy as np


class Stream(Enum):
    """What random numbers are for, and by how many counts its parts are told apart.

    A number that was given once keeps its meaning: it decides what a seed repeats.
    """

    VALIDATION = (0, 0)
    """Which images are held out."""
    STUDENT = (1, 0)
    """A student's first weights: never those that its teacher began with."""
    TEST = (2, 0)
    """Which images of a data set without a test split become one."""
    MIX = (3, 0)
    """The seed of the second of two methods; two kinds of noise would begin alike."""
    SHAPES = (4, 2)
    """Random shapes, by pool and part."""
    MIXING = (5, 2)
    """Which images of a batch are pasted into each other, by epoch and step."""
    LEAVES = (6, 0)
    """Canvases of dead leaves, and the crops of them."""
    CALIBRATION = (7, 1)
    """Images that an integer network is calibrated with, by part."""
    GENERATOR = (8, 1)
    """A generator's first weights, by restart."""
    CODES = (9, 2)
    """What a generator draws images from, by restart and count."""
    BATCH = (10, 2)
    """A batch of noise, or of stored images, by epoch and step."""
    ORDER = (11, 1)
    """The order of a teacher's images, by epoch."""
    HEALTH = (12, 0)
    """Which synthesized images are measured."""
    COMMITTEE = (13, 2)
    """The first weights of a committee member (round 0), and the order of its images, by member and
    round."""
    QUESTIONS = (14, 2)
    """Images that may become questions, and their order, by round and drawing."""

    CHECKED = (15, 0)
    """Which given images an export is calibrated with, and which it is checked on."""
    MADE_UP = (16, 1)
    """Images that are like photographs to look at, grey (0) or drawn (1)."""
    UNSEEN = (17, 0)
    """Which made-up images a student is measured on."""
    LIMITED = (18, 0)
    """Which training images are used where not all of them are."""
    CANVAS = (19, 1)
    """A canvas of dead leaves that questions are cut out of, by its number."""

    def __init__(self, number: int, counts: int) -> None:
        self.number = number
        self.counts = counts


def seed_sequence(stream: Stream, seed: int, *part: int) -> np.random.SeedSequence:
    """Return the seeds of a part of a stream; raises ValueError for a part that cannot be.

    The stream is always the second word, and parts are of one length: zeros at the end of a seed
    would change nothing, so one part of another length could be the same as another.
    """
    if len(part) != stream.counts:
        raise ValueError(f"parts of {stream.name} have {stream.counts} counts, found {part}")
    return np.random.SeedSequence([seed, stream.number, *part])


def random_generator(stream: Stream, seed: int, *part: int) -> np.random.Generator:
    """Return the random generator of a part of a stream, which no other part's making can move."""
    return np.random.default_rng(seed_sequence(stream, seed, *part))


def seed_number(stream: Stream, seed: int, *part: int) -> int:
    """Return a seed of 32 bits for programs that take a single number."""
    return int(seed_sequence(stream, seed, *part).generate_state(1)[0])
