"""What is chosen by a teacher's file is chosen without TensorFlow."""

from pathlib import Path

import pytest

from kextract import runtime
from kextract.runs.invoke import facts_of
from kextract.runs.opening import look
from tests.cli.program import kextract
from tests.foreign.keras.examples import nested, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tensorflow: object) -> Path:
    """A folder with a network of dense layers, and one with batch normalizations."""
    import keras

    folder = tmp_path_factory.mktemp("teachers")
    layers = [keras.Input((8, 9, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]
    for name, model in {"plain": keras.Sequential(layers), "normalized": nested()}.items():
        save(model, folder / f"{name}.keras")
        save(model, folder / f"{name}.h5")
    return folder


@pytest.fixture(autouse=True)
def _no_tensorflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("TensorFlow would be started")

    monkeypatch.setattr(runtime, "start", refuse)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_says_what_its_images_are_like_and_whether_it_normalizes(
    folder: Path, ending: str
) -> None:
    assert facts_of(look(folder / f"plain.{ending}")) == ((8, 9, 3), False)
    assert facts_of(look(folder / f"normalized.{ending}")) == ((16, 16, 1), True)


@pytest.mark.parametrize(
    ("opset", "options", "method"), [(24, (), "queries"), (17, ("--output-name", "c"), "leaves")]
)
def test_an_onnx_file_is_asked_where_it_is_not_read_and_may_have_several_outputs(
    opset: int, options: tuple[str, ...], method: str, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="ONNX files need the extra kextract[onnx]")
    axes = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : {opset}]> g (float[N,3,16,16] x)'
        " => (float[N,768] c, float[N,768] d) { c = Flatten (x) d = Relu (c) }"
    )
    onnx.save(axes, tmp_path / "n.onnx")
    words = ("distill", "n.onnx", "--student", "lenet5", "--dry-run", *options)
    assert f'method = "{method}"' in kextract(*words, cwd=tmp_path).stdout
