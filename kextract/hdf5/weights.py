"""Where the variables of a Keras model are in a weights file, and reading them from one.

Keras names tensors by the way to their layer: `layers/<class name in snake case>[_k]/vars/<i>`.
`variables_by_path` walks a model as `keras.src.saving.saving_lib` does, so that a file can be
checked against the model without Keras opening it.

Weights files of 2020 are what `save_weights` of tf.keras 2 wrote: their root has the attributes
`layer_names` and `keras_version`, a tensor is at `<top-level layer>/<layer>/<weight>:0`. Layers are
distinguished by name alone, since layers next to each other often have the same shape: `conv2d_3`
and `conv2d_4` of the article's teacher do.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kextract.errors import Refused
from kextract.hdf5.safe_hdf5 import CheckedFile
from kextract.text import printable

if TYPE_CHECKING:
    import keras

GROUP = "kextract"
"""Where a checkpoint of ours says what is not a tensor."""
_IGNORED = (f"{GROUP}/", "metrics/", "optimizer/")


class TensorSpec(NamedTuple):
    """What a tensor of a weights file has to be."""

    dtype: str
    """NumPy's name, such as "float32"."""
    shape: tuple[int, ...]


def variables_by_path(model: "keras.Model") -> "dict[str, keras.Variable]":
    """Give each saved variable of a built model by its path in a `.weights.h5` file.

    Raises ValueError for a model whose layers save something else than their variables.
    """
    found: dict[str, Any] = {}
    _visit(model, "", found, set())
    return found


def specs_of(variables: "Mapping[str, keras.Variable]") -> dict[str, TensorSpec]:
    """Give dtype and shape of each variable, by the same names."""
    return {name: TensorSpec(v.dtype, tuple(v.shape)) for name, v in variables.items()}


def tensors_of(model: "keras.Model") -> dict[str, NDArray[Any]]:
    """Copy the model's tensors out, by path in a weights file."""
    return {path: np.array(v.value.numpy()) for path, v in variables_by_path(model).items()}


def model_sha256(model: "keras.Model") -> str:
    """Hash all that a checkpoint of the model would hold; the same as the file's `sha256`."""
    return sha256_of_tensors(tensors_of(model))


def read_tensors(
    file: CheckedFile, expected: Mapping[str, TensorSpec], *, kinds: str = "f"
) -> dict[str, NDArray[Any]]:
    """Read exactly the expected tensors, by path. Raises Refused.

    Groups named `kextract`, `metrics` and `optimizer` are left alone. `kinds` are the kinds of
    dtype, as NumPy names them, that a tensor may be of.
    """
    found = {path for path in file.datasets if not path.startswith(_IGNORED)}
    check_names(expected, found)
    return {path: read_tensor(file, path, spec, kinds) for path, spec in expected.items()}


def read_tensor(file: CheckedFile, path: str, spec: TensorSpec, kinds: str = "f") -> NDArray[Any]:
    """Read one tensor of finite numbers. Raises Refused."""
    if np.dtype(spec.dtype).kind not in kinds:
        raise Refused(f"'{printable(path)}' would be {spec.dtype}; only floats are read")
    value = file.tensor(path, np.dtype(spec.dtype).newbyteorder("<").str, spec.shape)
    if not np.isfinite(value).all():
        raise Refused(f"'{printable(path)}' holds a NaN or an infinity")
    return value


def check_names(expected: Iterable[str], found: Iterable[str]) -> None:
    """Raise Refused unless both hold the same names."""
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing:
        raise Refused(f"is not of this model: {_some('lacks', missing)}")
    if unknown:
        raise Refused(f"is not of this model: {_some('has an unknown', unknown)}")


def _some(verb: str, names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{verb} '{printable(names[0])}'{more}"


def _visit(node: Any, path: str, found: dict[str, Any], seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    store: dict[str, Any] = {}
    node.save_own_variables(store)
    for key, variable in store.items():
        place = f"{path}/vars/{key}".lstrip("/")
        if not hasattr(variable, "assign"):
            raise ValueError(f"'{place}' is not a variable of its layer")
        found[place] = variable
    for name, child in _children(node):
        _visit_child(child, f"{path}/{name}".lstrip("/"), found, seen)


def _visit_child(
    child: Any, path: str, found: dict[str, Any], seen: set[int], within: tuple[int, ...] = ()
) -> None:
    import keras

    if isinstance(child, keras.Layer):
        _visit(child, path, found, seen)
    elif isinstance(child, list | tuple | dict) and id(child) not in within:
        items = child.values() if isinstance(child, dict) else child
        for name, item in _unique_names(items):
            _visit_child(item, f"{path}/{name}", found, seen, (*within, id(child)))


def _unique_names(items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    used: dict[str, int] = {}
    for item in items:
        container = isinstance(item, list | tuple | dict)
        name = "container" if container else _snake_case(type(item).__name__)
        count = used.get(name, 0)
        used[name] = count + 1
        yield (f"{name}_{count}" if count else name), item


def _snake_case(name: str) -> str:
    """Spell the name of a class as Keras does in a file: `Conv2D` becomes `conv2d`."""
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes in which Keras looks for layers, in its order: private ones last."""
    import keras

    skipped = set(dir(keras.Layer()))
    if isinstance(node, keras.Model) and hasattr(node, "operations"):
        yield "layers", node.layers
        skipped |= {"operations", "_operations", "_functional"}
    for name in sorted(dir(node), key=lambda name: f"~{name}" if name[0] == "_" else name):
        if name.startswith("__") or name in skipped:
            continue
        try:
            child = getattr(node, name)
        except Exception:
            # A property that fails holds no layers; Keras passes over it too.
            continue
        yield name, child


def sha256_of_tensors(named: Mapping[str, NDArray[Any]]) -> str:
    """Hash names, dtypes, shapes and values; return 64 lower-case hexadecimal digits.

    The order of the mapping, the byte order and the memory layout of the arrays do not matter.
    For each tensor, sorted by name, these bytes are hashed: the name in UTF-8, a zero byte, the
    dtype's name, a zero byte, the sizes of the axes in decimals joined by commas, a zero byte, and
    the values in little-endian C order. `docs/checkpoint-format.md` repeats this definition.
    """
    digest = hashlib.sha256()
    for name in sorted(named):
        tensor = named[name]
        shape = ",".join(str(size) for size in tensor.shape)
        digest.update(f"{name}\0{tensor.dtype.name}\0{shape}\0".encode())
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.hexdigest()


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
