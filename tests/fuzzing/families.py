"""The kinds of files that are damaged; what is made to do harm has tests of its own."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.fuzzing.damage import (
    BYTES,
    Mutation,
    disorder,
    names_of_tensors,
    odd_attribute,
    odd_record,
    odd_text,
    of_hdf5,
    of_json,
    of_members,
    of_message,
    packed,
)
from tests.fuzzing.running import Change, Family, Files


def of_entry(mutation: Mutation) -> Change:
    """Turn a change of bytes into one of the file that is opened."""

    def change(files: Files, random: Random) -> None:
        entry = next(iter(files))
        files[entry] = mutation(files[entry], random)

    return change


def of_any(mutation: Mutation) -> Change:
    """Turn a change of bytes into one of any of the files."""

    def change(files: Files, random: Random) -> None:
        name = random.choice(sorted(files))
        files[name] = mutation(files[name], random)

    return change


def other_numbers(file: Any, random: Random) -> None:
    """A tensor has other numbers, or is missing; in a checkpoint also a table or a document."""
    name = random.choice(names_of_tensors(file))
    value = np.array(file[name][()])
    del file[name]
    if random.random() < 0.7:
        odd = (np.nan, np.inf, -1.0, 7.0)
        changed = value.astype("f4") if value.dtype.kind in "fiu" else np.zeros(3)
        changed.flat[random.randrange(changed.size)] = random.choice(odd)
        file[name] = random.choice((changed, value, np.bytes_(b'{"a":NaN}'), np.bytes_(b"[" * 999)))


BYTES_OF_ENTRY = tuple(map(of_entry, BYTES))
HDF5 = tuple(of_hdf5(change) for change in (odd_attribute, other_numbers))


class Checkpoints(Family):
    """A checkpoint of ours, plain Keras weights and a file of weights of tf.keras 2."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from kextract.hdf5.weights import legacy_names, specs_of, variables_by_path
        from kextract.storage import read_info
        from tests.storage.test_old_files import FILES, student

        variables = variables_by_path(student())
        self._names, self._specs = legacy_names(variables), specs_of(variables)
        self._info = read_info(FILES / "schema-1.weights.h5")
        files = {"ours": "schema-1.weights.h5", "plain": "keras-3.weights.h5"}
        return {
            base: {"damaged.weights.h5": (FILES / name).read_bytes()}
            for base, name in {**files, "legacy": "tf-keras-2.h5"}.items()
        }

    def changes(self) -> Sequence[Sequence[Change]]:
        return BYTES_OF_ENTRY, tuple(map(of_entry, HDF5))

    def read_sound(self, path: Path, base: str) -> str:
        from kextract.storage.checkpoint import read_info, read_weights
        from tests.storage.test_old_files import WEIGHTS

        info = read_info(path)
        _, digest = read_weights(path, self._specs, self._names)
        if info != (self._info if base == "ours" else None):
            return "other facts"
        return "read" if digest == WEIGHTS else "other tensors"

    def allowed(self, base: str) -> set[str]:
        # Files of others carry no hash, so other numbers in them are simply other weights.
        return {"refused", "read"} | (set() if base == "ours" else {"other tensors"})


class KerasFamily(Family):
    """Files of whole networks of Keras."""

    def read_sound(self, path: Path, base: str) -> str:
        from kextract.foreign.keras import load_archive

        load_archive(path)
        return "read"


class KerasArchives(KerasFamily):
    """Archives that Keras 3 writes, and two that Keras 2 wrote."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from tests.foreign.keras import examples
        from tests.foreign.keras.write_keras_2 import FILES

        written = {
            name: {"damaged.keras": examples.timeless(path.read_bytes())}
            for name, path in networks("keras", folder).items()
        }
        real = {"graph 2": "transferred.keras", "sequence 2": "trained.keras"}
        return written | {
            name: {"damaged.keras": (FILES / file).read_bytes()} for name, file in real.items()
        }

    def changes(self) -> Sequence[Sequence[Change]]:
        def inside(name: str, data: bytes, random: Random) -> bytes:
            kind = of_json if name.endswith(".json") else random.choice((*HDF5, *BYTES))
            return kind(data, random)

        return [[of_entry(each) for each in [of_members(inside)] * 4 + [odd_record, *BYTES]]]


class KerasModels(KerasFamily):
    """HDF5 files of whole models, by Keras 3 and as Keras 2.0 wrote them, and one of 2.15."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from tests.foreign.keras import keras_2
        from tests.foreign.keras.write_keras_2 import FILES

        found = {"Keras 2.15": {"damaged.h5": (FILES / "fine_tuned.h5").read_bytes()}}
        for name, path in networks("h5", folder).items():
            found[name] = {"damaged.h5": path.read_bytes()}
            found[f"{name} 2"] = {"damaged.h5": keras_2.rewritten(path).read_bytes()}
        return found

    def changes(self) -> Sequence[Sequence[Change]]:
        texts = [of_entry(of_hdf5(odd_text))]
        return BYTES_OF_ENTRY, texts, [of_entry(each) for each in HDF5]


class KerasJson(KerasFamily):
    """A model of TensorFlow.js: a JSON text and the shards of its weights."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from tests.foreign.keras.tfjs import JSON, SHARDS, converted
        from tests.foreign.keras.write_keras_2 import FILES

        folder = converted(FILES / "convolutions.h5", folder).parent
        return {"tfjs": {name: (folder / name).read_bytes() for name in (JSON, *SHARDS)}}

    def changes(self) -> Sequence[Sequence[Change]]:
        return [of_entry(of_json)], [*map(of_any, BYTES)]


def networks(suffix: str, folder: Path) -> dict[str, Path]:
    """Write a functional and a sequential network with Keras."""
    from kextract import runtime

    runtime.start()
    import keras

    from tests.foreign.keras import examples

    # Layers are numbered anew, so that the same seed makes the same files.
    keras.utils.clear_session()
    models = {"graph": examples.small(), "sequence": examples.user_cnn()}
    return {
        name: examples.save(model, folder / f"{name}.{suffix}") for name, model in models.items()
    }


class OnnxFiles(Family):
    """ONNX files that are read as networks."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        files = Path(__file__).parents[1] / "foreign" / "onnx" / "files"
        names = ("cnn-traced", "cnn-with-batch-norm", "vit-traced")
        return {name: {"damaged.onnx": (files / f"{name}.onnx").read_bytes()} for name in names}

    def changes(self) -> Sequence[Sequence[Change]]:
        from onnx import ModelProto

        message = of_entry(of_message(ModelProto))
        return BYTES_OF_ENTRY, [message], [message]

    def read_sound(self, path: Path, base: str) -> str:
        from kextract.foreign.network import read_onnx

        read_onnx(path)
        return "read"


class TfliteFiles(Family):
    """TFLite files of floats and of integers that are read as networks."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from tests.foreign.tflite.test_operators import all_kinds
        from tests.foreign.tflite.test_quantized import convolved

        floats = all_kinds(folder / "floats.tflite")
        integers = convolved(folder / "integers.tflite", "int8", zero=-3, ends=(1 / 8, 5))
        return {path.stem: {"damaged.tflite": path.read_bytes()} for path in (floats, integers)}

    def changes(self) -> Sequence[Sequence[Change]]:
        def objects(data: bytes, random: Random) -> bytes:
            from tensorflow.lite.python.schema_py_generated import ModelT

            from tests.foreign.tflite.networks import packed

            model = ModelT.InitFromPackedBuf(data, 0)
            disorder(model, random)
            return packed(model)

        return BYTES_OF_ENTRY, [of_entry(objects)]

    def read_sound(self, path: Path, base: str) -> str:
        from kextract.foreign.network import read_tflite

        read_tflite(path)
        return "read"


class NpzFiles(Family):
    """Data sets in `.npz` files, with names of classes and without."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from tests.datasets.images import random_images, random_labels
        from tests.datasets.test_npz_members import npy

        arrays: dict[str, Any] = {"class_names": np.array(["ant", "bee", "wasp"])}
        for half, count in (("train", 12), ("test", 6)):
            arrays[f"x_{half}"] = random_images(count, 16, 18, 3, seed=count)
            arrays[f"y_{half}"] = random_labels(count, 3)
        members = {f"{name}.npy": npy(array) for name, array in arrays.items()}
        named = packed(members)
        del members["class_names.npy"]
        return {"named": {"x.npz": named}, "nameless": {"x.npz": packed(members)}}

    def changes(self) -> Sequence[Sequence[Change]]:
        from tests.datasets.test_npz_members import npy

        kinds = (">f4", "f2", "f8", "g", "i1", "u8", "?", "c8", "M8[s]", "S4", "U3", "V2", "O")

        def inside(name: str, data: bytes, random: Random) -> bytes:
            import io

            array = np.load(io.BytesIO(data))
            shapes = ((), (0,), (*array.shape, 1), array.shape[1:], (array.size,), (1,) * 32)
            array = np.resize(array, random.choice((*shapes, array.shape[::-1], array.shape)))
            if array.dtype.kind != "U" and random.random() < 0.7:
                array = array.astype(random.choice(kinds))
            return npy(array)

        anywhere = [of_entry(odd_record), *BYTES_OF_ENTRY]
        return anywhere, [of_entry(of_members(inside))]

    def read_sound(self, path: Path, base: str) -> str:
        return read_data_set(path)


class ImageFolders(Family):
    """Folders of images of every kind, in colour and in grey."""

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from tests.datasets.images import write_sound_folder

        write_sound_folder(folder)
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {
            "photos": {f"photos/{path.relative_to(folder)}": path.read_bytes() for path in paths}
        }

    def changes(self) -> Sequence[Sequence[Change]]:
        def moved(files: Files, random: Random) -> None:
            for name in random.sample(sorted(files), random.choice((1, 1, 20))):
                data = files.pop(name)
                suffix = random.choice((".jpg", ".PNG", ".gif", ".txt", ""))
                folders = ("", "photos/train/", "photos/train/[red]x/", "photos/a\nb/")
                if random.random() < 0.5:
                    files[f"{random.choice(folders)}{random.randrange(3)}{suffix}"] = data

        damaged = [*map(of_any, BYTES)]
        return damaged, damaged, [moved]

    def read_sound(self, path: Path, base: str) -> str:
        return read_data_set(path.parents[2])


def read_data_set(path: Path) -> str:
    """Load a data set as every command does, and check what it promises once more."""
    from kextract.datasets.loading import load_dataset

    data = load_dataset(str(path))
    splits = ((data.x_train, data.y_train), (data.x_test, data.y_test))
    given = [(x, y) for x, y in splits if x is not None and y is not None]
    fits = all(
        (x.dtype.name, x.ndim, y.dtype.name, y.shape) == ("uint8", 4, "int64", x.shape[:1])
        and x.shape[3] in (1, 3)
        and min(x.shape[1:3]) >= 16
        and 0 <= y.min() <= y.max() < len(data.class_names)
        for x, y in given
    )
    names = (data.name, *data.class_names)
    return "read" if given and fits and all(map(str.isprintable, names)) else "not sane"


class RuntimeFiles(Family):
    """Files that other runtimes open: ONNX, TFLite of floats and integers, and SavedModels.

    They are read as the program does it: `inspect`, and `evaluate` on a few images.
    """

    SHAPE = (16, 16, 3)

    def make_sound(self, folder: Path) -> Mapping[str, Files]:
        from kextract import runtime

        runtime.start()
        from tests.teachers import networks
        from tests.teachers.networks import network

        # `evaluate` measures on images of this size and more.
        with patch.object(networks, "SHAPE", self.SHAPE):
            networks.write_onnx(folder / "float.onnx", network())
            networks.write_tflite(folder / "float.tflite", network())
            networks.write_tflite(folder / "int8.tflite", network("probabilities"), "int8")
            networks.write_saved_model(folder / "saved", network("probabilities"))
        saved = sorted(path for path in (folder / "saved").rglob("*") if path.is_file())
        saved.sort(key=lambda path: path.name != "saved_model.pb")
        models = {name: [folder / name] for name in ("float.onnx", "float.tflite", "int8.tflite")}
        return {
            name: {str(path.relative_to(folder)): path.read_bytes() for path in paths}
            for name, paths in {**models, "saved": saved}.items()
        }

    def changes(self) -> Sequence[Sequence[Change]]:
        from onnx import ModelProto
        from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

        def message(files: Files, random: Random) -> None:
            entry = next(iter(files))
            kinds = {"float.onnx": ModelProto, "saved/saved_model.pb": SavedModel}
            if entry in kinds:
                of_entry(of_message(kinds[entry]))(files, random)
            else:
                random.choice(BYTES_OF_ENTRY)(files, random)

        return [*map(of_any, BYTES)], [message]

    def read(self) -> tuple[str, str]:
        """Let two commands read the file; what native code writes on the terminal counts too."""
        from tests.cli.program import kextract

        folder = self._path.parents[1] if self._base == "saved" else self._path.parent
        images = np.random.default_rng(0).integers(0, 256, (5, *self.SHAPE), np.uint8)
        np.savez(folder / "x.npz", x_test=images, y_test=np.array([0, 1, 2, 3, 0]))
        with native_stderr() as written:
            found = kextract("inspect", self._base, cwd=folder)
            if found.code == 0:
                words = ("--dataset", "x.npz", "--threads", 1)
                found = kextract("evaluate", self._base, *words, cwd=folder)
        if native := b"".join(written).decode(errors="replace"):
            return "chatter", native
        if found.code == 0:
            return "read", ""
        lines = found.stderr.splitlines()
        # A line on which pixels are taken for which may come first.
        refused = bool(lines) and lines[-1].startswith("kextract: ") and found.code in (1, 2)
        return ("refused" if refused else f"exit {found.code}"), "\\n".join(lines)

    def read_sound(self, path: Path, base: str) -> str:
        raise AssertionError("`read` does all")


@contextmanager
def native_stderr() -> Iterator[list[bytes]]:
    """Collect what is written to file descriptor 2."""
    written: list[bytes] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield written
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            written.append(file.read())


FAMILIES: dict[str, type[Family]] = {
    "checkpoints": Checkpoints,
    "keras": KerasArchives,
    "hdf5": KerasModels,
    "tfjs": KerasJson,
    "onnx": OnnxFiles,
    "tflite": TfliteFiles,
    "npz": NpzFiles,
    "folders": ImageFolders,
    "runtimes": RuntimeFiles,
}
