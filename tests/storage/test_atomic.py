import errno
import os
from pathlib import Path

import pytest

from kextract.errors import RequestError, StorageError
from kextract.storage import atomic_write, check_writable
from kextract.storage.atomic import SAVED_MODEL, atomic_folder
from tests.common import names

NAME = "model.weights.h5"


def test_what_is_written_appears_under_its_name_and_nothing_else_stays(tmp_path: Path) -> None:
    with atomic_write(tmp_path / NAME, overwrite=False) as temporary:
        temporary.write_text("new")
        assert not (tmp_path / NAME).exists()
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "new"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    (tmp_path / NAME).write_text("old")
    with pytest.raises(failure), atomic_write(tmp_path / NAME, overwrite=True) as temporary:
        temporary.write_text("half")
        raise failure
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "old"


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with (
        pytest.raises(RequestError, match="--overwrite"),
        atomic_write(tmp_path / NAME, overwrite=False) as temporary,
    ):
        temporary.write_text("ours")
        (tmp_path / NAME).write_text("theirs")
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "theirs"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_an_error_of_the_system_names_the_file_and_the_reason(tmp_path: Path, code: int) -> None:
    with pytest.raises(StorageError) as caught, atomic_write(tmp_path / NAME, False) as temporary:
        temporary.touch()
        raise OSError(code, "whatever the library says\non two lines")
    assert str(caught.value) == f"cannot write '{tmp_path / NAME}': {os.strerror(code)}"
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["model.h5", "model", ".weights.h5"])
def test_a_name_with_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match=r"--output.*\.weights\.h5"):
        check_writable(tmp_path / name, overwrite=False)


def test_an_existing_file_is_refused_before_the_work_unless_overwriting(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    with pytest.raises(RequestError, match="--overwrite"):
        check_writable(tmp_path / NAME, overwrite=False)
    check_writable(tmp_path / NAME, overwrite=True)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(RequestError, match="is a folder"):
        check_writable(tmp_path / NAME, overwrite=True)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="--output: cannot write to"):
        check_writable(tmp_path / "file" / NAME, overwrite=False)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that is never writable")
def test_a_folder_that_takes_no_files_is_refused() -> None:
    with pytest.raises(RequestError, match="--output: cannot write to '/proc/self'"):
        check_writable(Path("/proc/self") / NAME, overwrite=False)


def write(folder: Path, text: str) -> None:
    (folder / "variables").mkdir(parents=True)
    (folder / SAVED_MODEL).write_text(text)


def test_a_folder_appears_under_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a", overwrite=False) as temporary:
        write(temporary, "new")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == [SAVED_MODEL, "variables"]


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
