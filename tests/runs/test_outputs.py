from pathlib import Path

import pytest

from kextract.errors import RequestError
from kextract.runs.outputs import expanded

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
