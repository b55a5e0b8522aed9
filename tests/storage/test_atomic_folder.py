from pathlib import Path

import pytest

from kextract.errors import RequestError, StorageError
from kextract.storage.atomic import SAVED_MODEL, atomic_folder


def write(folder: Path, text: str) -> None:
    (folder / "variables").mkdir(parents=True)
    (folder / SAVED_MODEL).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_appears_under_its_name_and_nothing_else_stays(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a", overwrite=False) as temporary:
        write(temporary, "new")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == [SAVED_MODEL, "variables"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_the_older_model_and_no_temporary(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    write(tmp_path / "a", "older")
    with pytest.raises(failure), atomic_folder(tmp_path / "a", overwrite=True) as temporary:
        write(temporary, "half")
        raise failure
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a" / SAVED_MODEL).read_text() == "older"


def test_overwriting_replaces_the_older_model(tmp_path: Path) -> None:
    write(tmp_path / "a", "older")
    (tmp_path / "a" / "more").touch()
    with atomic_folder(tmp_path / "a", overwrite=True) as temporary:
        write(temporary, "new")
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == [SAVED_MODEL, "variables"]


def test_a_model_that_cannot_be_moved_into_its_place_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", "older")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name.startswith(".a") and not self.name.endswith(".older"):
            raise OSError(28, "no space")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with (
        pytest.raises(StorageError, match="cannot write"),
        atomic_folder(tmp_path / "a", overwrite=True) as temporary,
    ):
        write(temporary, "new")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a" / SAVED_MODEL).read_text() == "older"


def test_an_older_model_is_replaced_only_on_request(tmp_path: Path) -> None:
    write(tmp_path / "a", "older")
    with (
        pytest.raises(RequestError, match="pass --overwrite"),
        atomic_folder(tmp_path / "a", overwrite=False),
    ):
        pass


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    with (
        pytest.raises(RequestError, match="is not a SavedModel; name a new folder"),
        atomic_folder(tmp_path / "photos", overwrite=True) as temporary,
    ):
        write(temporary, "new")
    assert names(tmp_path) == ["photos"]
    assert names(tmp_path / "photos") == ["a.png"]
