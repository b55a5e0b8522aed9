"""How many numbers a weights file holds, from its shapes alone."""

import math
from pathlib import Path

from kextract.storage.metadata import GROUP
from kextract.storage.safe_hdf5 import open_checked

_OPTIMIZER = "optimizer/"


def count_parameters(path: Path) -> int:
    """Count the numbers in a file's tensors, as `keras.Model.count_params` does of its model.

    The moving statistics of batch normalizations count too; no tensor is read. Raises
    CheckpointError.
    """
    with open_checked(path) as file:
        return sum(
            math.prod(file.shape(name))
            for name in file.datasets
            if not name.startswith((f"{GROUP}/", _OPTIMIZER))
        )
