"""Finding a data set: by its name, or as an `.npz` file or a folder of images."""

import os
from pathlib import Path

from kextract.datasets.dataset import Dataset, dimensions
from kextract.datasets.download import download
from kextract.datasets.image_folders import read_folder
from kextract.datasets.npz import names_for, read_npz
from kextract.datasets.registry import DATASETS, DatasetSpec
from kextract.errors import DatasetError, UnknownNameError
from kextract.text import one_line


def load_dataset(name_or_path: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set by its name, or from an `.npz` file or a folder of images.

    A name is looked for as `data_dir/NAME.npz` first, then in Keras's cache, then on the network;
    `strokes` is always generated. A name comes before a file or folder that is called the same
    (write `./mnist` for that). `read_npz` and `read_folder` say what files and folders may hold.
    Raises UnknownNameError for what is neither, DatasetError for what cannot be used.
    """
    spec = DATASETS.get(name_or_path)
    if spec is not None:
        return _load_named(name_or_path, spec, data_dir)
    # Unlike Path's own, it leaves the home of an unknown user as it is.
    path = Path(os.path.expanduser(name_or_path))  # noqa: PTH111
    try:
        if not _looks_like_path(name_or_path) and not path.exists():
            raise UnknownNameError("data set", one_line(name_or_path), DATASETS)
        return _load_path(path)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        reason = one_line(error.strerror or error)
        raise DatasetError(f"{one_line(name_or_path)[:80]}: cannot be read ({reason})") from error


def _load_named(name: str, spec: DatasetSpec, data_dir: Path | None) -> Dataset:
    if spec.generate is not None:
        return Dataset(name, *spec.generate(), spec.class_names, spec.flip)
    if data_dir is not None and not data_dir.is_dir():
        raise DatasetError(
            f"--data-dir {one_line(data_dir)}: expected a folder with {name}.npz, found "
            f"{'a file' if data_dir.exists() else 'nothing'}"
        )
    local = data_dir / f"{name}.npz" if data_dir is not None else None
    if local is None or not local.exists():
        return Dataset(name, *download(name), spec.class_names, spec.flip)
    notes: list[str] = []
    arrays, _ = read_npz(local, notes.append)
    dataset = Dataset(
        name, *arrays, spec.class_names, spec.flip, source=str(local), notes=tuple(notes)
    )
    if dataset.input_shape != spec.input_shape:
        raise DatasetError(
            f"{one_line(local)}: expected images of {dimensions(spec.input_shape)}, "
            f"found {dimensions(dataset.input_shape)}"
        )
    return dataset


def _looks_like_path(text: str) -> bool:
    return "/" in text or os.sep in text or text.lower().endswith(".npz")


def _load_path(path: Path) -> Dataset:
    name = one_line(path.resolve().stem if path.is_file() else path.resolve().name)
    notes: list[str] = []
    if path.is_dir():
        arrays, names = read_folder(path, notes.append)
        return Dataset(name, *arrays, names, source=str(path), notes=tuple(notes))
    if not path.is_file() or path.suffix.lower() != ".npz":
        found = "another kind of file" if path.exists() else "nothing there"
        raise DatasetError(
            f"{one_line(path)}: expected an .npz file or a folder of images, found {found}"
        )
    arrays, named = read_npz(path, notes.append)
    names = named or names_for(arrays)
    return Dataset(name, *arrays, names, source=str(path), notes=tuple(notes))
