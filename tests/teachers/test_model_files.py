import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.images import scale
from kextract.errors import RequestError
from kextract.models.heads import SeveralOutputsError
from kextract.models.input_range import Preprocessing
from kextract.teachers import FileOptions, opening
from kextract.teachers.opening import open_black_box
from kextract.teachers.runtimes import ModelFile
from tests.teachers.networks import (
    CLASSES,
    SHAPE,
    images,
    network,
    outputs_of,
    two_heads,
    write_onnx,
    write_saved_model,
    write_tflite,
)

# Written once: converters take seconds.
WAYS: dict[str, Callable[[Path], Path]] = {
    "plain.onnx": lambda path: write_onnx(path, network()),
    "five.onnx": lambda path: write_onnx(
        path, network("probabilities"), channels_first=True, batch=5
    ),
    "plain.tflite": lambda path: write_tflite(path, network()),
    "five.tflite": lambda path: write_tflite(path, network("probabilities"), batch=5),
    "uint8.tflite": lambda path: write_tflite(path, network("probabilities"), "uint8"),
    "two.onnx": lambda path: write_onnx(path, two_heads()),
    "two.tflite": lambda path: write_tflite(path, two_heads()),
    "two.saved": lambda path: write_saved_model(path, two_heads()),
    "saved": lambda path: write_saved_model(path, network("probabilities")),
}
ONE = [name for name in WAYS if not name.startswith("two")]
TWO = [name for name in WAYS if name.startswith("two")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("teachers")
    for name, write in WAYS.items():
        write(made / name)
    return made


def head(name: str) -> str:
    return "probabilities" if name.startswith(("five", "saved", "uint8")) else "logits"


@pytest.mark.parametrize("name", ONE)
def test_a_file_answers_as_the_network_that_it_was_made_of(folder: Path, name: str) -> None:
    """Seven images are a batch of five and one that is not full."""
    teacher = open_black_box(str(folder / name))
    assert isinstance(teacher, ModelFile)
    assert (teacher.input_shape, teacher.classes) == (SHAPE, CLASSES)
    assert (teacher.head.outputs, teacher.head.confident) == (head(name), True)
    assert teacher.outputs == head(name)
    assert teacher.head.reason.startswith("its last operation is")
    found, expected = teacher(images(7)), outputs_of(network(head(name)), images(7))
    if "int8" in name:
        assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if head(name) == "probabilities":
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", TWO)
def test_one_of_several_outputs_has_to_be_chosen(folder: Path, name: str) -> None:
    with pytest.raises(SeveralOutputsError, match=r"2 outputs: .*--output-name") as refusal:
        open_black_box(str(folder / name))
    sizes = dict(refusal.value.sizes)
    assert sorted(sizes.values()) == ["2", "4"]
    expected = two_heads()(scale(images(5)), training=False)
    for chosen, size in sizes.items():
        teacher = open_black_box(str(folder / name), FileOptions(output_name=chosen))
        assert teacher.classes == int(size)
        assert teacher.outputs == ("logits" if size == "4" else "probabilities")
        which = expected[0 if size == "2" else 1]
        np.testing.assert_allclose(teacher(images(5)), which, rtol=1e-4, atol=1e-5)


def test_logits_of_labels_are_given_as_a_probability_for_each(folder: Path) -> None:
    teacher = open_black_box(str(folder / "plain.onnx"), FileOptions(outputs="label-logits"))
    expected = 1 / (1 + np.exp(-outputs_of(network(), images(5))))
    assert teacher.outputs == "sigmoids"
    np.testing.assert_allclose(teacher(images(5)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["plain.onnx", "uint8.tflite"])
def test_a_range_of_ones_own_is_what_the_network_sees(folder: Path, name: str) -> None:
    """Pixels of 0 to 1 are those of -1 to 1 of an image that is half as bright above grey."""
    given = open_black_box(str(folder / name), FileOptions(input_range=Preprocessing(0.0, 1.0)))
    pixels = images(20)
    halved = np.rint(127.5 + pixels / 2).astype(np.uint8)
    expected = open_black_box(str(folder / name))(halved)
    assert np.abs(given(pixels) - expected).max() < 0.05 * np.ptp(expected)


@pytest.mark.parametrize(
    ("access", "name", "kind"),
    [
        ("probabilities", "plain.onnx", "probabilities"),
        ("labels", "plain.onnx", "labels"),
        ("full", "five.tflite", "probabilities"),
    ],
)
def test_access_shows_less_of_the_same_answers(
    folder: Path, access: str, name: str, kind: str
) -> None:
    teacher = open_black_box(str(folder / name), access=access)
    found, logits = teacher(images(9)), outputs_of(network(), images(9)).astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected: Any = {"logits": logits, "probabilities": softmax, "labels": logits.argmax(axis=1)}
    assert teacher.outputs == kind
    np.testing.assert_allclose(found, expected[kind], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        (
            "plain.onnx",
            {"options": FileOptions(input_shape=(9, 8, 3))},
            "--input-shape 9,8,3 .*: it takes 8 x 8 x 3",
        ),
        ("plain.onnx", {"options": FileOptions(classes=5)}, "--classes 5: '.*plain.onnx' has 4"),
        ("missing.onnx", {}, "missing.onnx': no such file"),
    ],
)
def test_what_does_not_fit_the_file_is_refused(
    folder: Path, name: str, how: Any, says: str
) -> None:
    with pytest.raises(RequestError, match=says):
        open_black_box(str(folder / name), **how)


def onnx_file(path: Path, text: str) -> Path:
    onnx = pytest.importorskip("onnx", reason="ONNX files need the extra kextract[onnx]")
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}'), path)
    return path


def test_an_input_that_nothing_depends_on_is_given_nothing(tmp_path: Path) -> None:
    path = onnx_file(
        tmp_path / "n.onnx",
        "g (float[1,8,8,3] x, float[1,3] left) => (float[1,192] y) { y = Flatten (x) }",
    )
    expected = scale(images(2)).reshape(2, -1)
    np.testing.assert_allclose(open_black_box(str(path))(images(2)), expected, atol=1e-6)
    both = "g (float[1,3] x, float[1,3] left) => (float[1,3] y) { y = Add (x, left) }"
    with pytest.raises(RequestError, match="has 2 inputs"):
        open_black_box(str(onnx_file(tmp_path / "n.onnx", both)))


@pytest.mark.parametrize("name", ["garbage.onnx", "garbage.tflite"])
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"TFL3 or whatever" * 9)
    with pytest.raises(RequestError, match=f"{name}': .* cannot read it: ") as refusal:
        open_black_box(str(tmp_path / name))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("plain.onnx", "onnxruntime", "onnx"),
        ("plain.tflite", "ai_edge_litert.interpreter", "tflite"),
    ],
)
def test_a_missing_runtime_is_named_with_what_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RequestError, match=rf"uv sync --extra {extra}"):
        open_black_box(str(folder / name))


FAULTS = {
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "crashes on it (SIGSEGV)",
    "import os; os.abort()": "crashes on it (SIGABRT)",
    "while True: pass": "was not done with a few images after 1 seconds",
    "bytearray(1 << 34)": "crashes on it (MemoryError)",
    "print('chatter'); raise ImportError": "is not installed: in kextract's folder run uv",
}
"""What a runtime may do, in place of its import, and what is said of it."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_runtime_is_one_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    (tmp_path / "onnxruntime.py").write_text(fault)
    (tmp_path / "x.onnx").write_bytes(b"anything")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(opening, "SECONDS", 1)
    with pytest.raises(RequestError) as caught:
        open_black_box(str(tmp_path / "x.onnx"))
    assert FAULTS[fault] in str(caught.value)
    assert f"'{tmp_path / 'x.onnx'}'" in str(caught.value)
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_a_name_in_a_file_that_is_not_a_text_is_refused(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "named.tflite", network())
    data = path.read_bytes()
    assert b"serving_default" in data
    path.write_bytes(data.replace(b"serving_default", b"\xfferving_default"))
    with pytest.raises(RequestError, match=r"named\.tflite': LiteRT cannot read it: ") as caught:
        open_black_box(str(path))
    assert str(caught.value).isprintable()
