from pathlib import Path

import pytest

from kextract.errors import RequestError, UnknownNameError
from kextract.runs.outputs import expanded, fill

FILES = (
    *("run[1]/a.h5", "run[1]/b.h5", "run1/a.h5", "x1.h5", "x2.h5", "x[3]-1.h5", "x[3]-2.h5"),
    *(".x9.h5", "deep/er/c.h5", "50%*.h5"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("x?.h5", ["x1.h5", "x2.h5"]),
        ("x[12].h5", ["x1.h5", "x2.h5"]),
        ("x*.h5", ["x1.h5", "x2.h5", "x[3]-1.h5", "x[3]-2.h5"]),
        ("x[3]-*.h5", ["x[3]-1.h5", "x[3]-2.h5"]),
        ("x[[]3]-*.h5", ["x[3]-1.h5", "x[3]-2.h5"]),
        ("run[1]/*.h5", ["run[1]/a.h5", "run[1]/b.h5"]),
        ("run*/a.h5", ["run1/a.h5", "run[1]/a.h5"]),
        ("**/c.h5", ["deep/er/c.h5"]),
        ("50%*.h5", ["50%*.h5"]),
        ("nowhere.h5", ["nowhere.h5"]),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_pattern_stands_for_files_and_a_name_for_itself(
    pattern: str, names: list[str], absolute: bool, folder: Path
) -> None:
    start = folder if absolute else Path()
    assert expanded([start / pattern]) == [start / name for name in names]


def test_a_pattern_that_no_file_matches_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match="no file matches"):
        expanded([Path("run[1]/*.csv")])


VALUES = {
    "teacher": Path("checkpoints/mnist-resnet11.weights.h5"),
    "student": "lenet5",
    "method": "inversion",
    "mix": None,
    "seed": 3,
    "learning_rate": 1e-3,
}


def test_fields_are_filled_with_the_values_of_the_run() -> None:
    template = "out/{teacher}-{student}-{method}-s{seed}.weights.h5"
    assert fill(template, VALUES) == Path("out/mnist-resnet11-lenet5-inversion-s3.weights.h5")


def test_numbers_are_written_as_they_are_typed_and_nothing_as_nothing() -> None:
    assert fill("{learning_rate}{mix}", VALUES) == Path("0.001")


def test_an_unknown_field_is_refused_with_the_nearest_that_is_known() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'method'"):
        fill("{metod}", VALUES)


@pytest.mark.parametrize("template", ["{", "}", "{seed", "{seed!r}", "{seed:>9999999}", "{0.real}"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(RequestError, match="--output"):
        fill(template, VALUES)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "a\x00b", 'x"<>|:*?', "\x1b[2J"])
def test_a_value_never_leads_to_another_folder(name: str) -> None:
    filled = fill("out/{student}.h5", {"student": name})
    assert filled.parent == Path("out")
    assert all(character.isprintable() for character in filled.name)
