"""Which pixels a network of somebody else takes, found out without any of its images."""

import keras

from kextract.models.input_range import RangeGuess


def guess_input_range(network: keras.Model, shape: tuple[int, int, int]) -> RangeGuess:
    return RangeGuess(None, "nothing in the file tells", False)
