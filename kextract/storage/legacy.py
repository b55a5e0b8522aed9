"""Weights files of 2020: what `save_weights` of tf.keras 2 wrote to HDF5.

Their root has the attributes `layer_names` and `keras_version`; a tensor is at
`<top-level layer>/<layer>/<weight>:0`. Layers are told apart by name alone, since layers next to
each other often have the same shape: `conv2d_3` and `conv2d_4` of the article's teacher do.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from kextract.storage.refusal import Refused, printable
from kextract.storage.safe_hdf5 import CheckedFile
from kextract.storage.weights import TensorSpec, check_names, read_tensor

if TYPE_CHECKING:
    import keras


def is_legacy(file: CheckedFile) -> bool:
    """Tell whether the file was written by tf.keras 2."""
    marks = file.has_attribute("layer_names") and file.has_attribute("keras_version")
    return marks and "layers" not in file.groups


def legacy_names(variables: "Mapping[str, keras.Variable]") -> dict[str, str]:
    """Map `<layer>/<weight>` (such as `conv2d_3/kernel`) to the variable's path in our files.

    Of layers with the same name only one is in the result.
    """
    return {"/".join(v.path.split("/")[-2:]): path for path, v in variables.items()}


def read_legacy(
    file: CheckedFile, expected: Mapping[str, TensorSpec], names: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """Read exactly the expected tensors; returned by their path in our files. Raises Refused."""
    if len(names) != len(expected):
        raise Refused("cannot be imported: two layers of the model have the same name")
    found: dict[str, str] = {}
    for path in file.datasets:
        name = "/".join(path.removesuffix(":0").split("/")[-2:])
        if name in found:
            raise Refused(f"holds '{printable(name)}' twice")
        found[name] = path
    check_names(names, found)
    return {ours: read_tensor(file, found[name], expected[ours]) for name, ours in names.items()}
