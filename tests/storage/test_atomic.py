import errno
import os
from pathlib import Path
from typing import Any

import pytest

from kextract.errors import RequestError, StorageError
from kextract.storage import atomic_write, check_writable

NAME = "model.weights.h5"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_appears_under_its_name_and_nothing_else_stays(tmp_path: Path) -> None:
    with atomic_write(tmp_path / NAME, overwrite=False) as temporary:
        temporary.write_text("new")
        assert not (tmp_path / NAME).exists()
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "new"


def test_the_temporary_file_is_hidden_beside_the_target_and_ends_alike(tmp_path: Path) -> None:
    with atomic_write(tmp_path / NAME, overwrite=False) as temporary:
        temporary.touch()
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".weights.h5")
        assert str(os.getpid()) in temporary.name


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_write_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    (tmp_path / NAME).write_text("old")
    with pytest.raises(failure), atomic_write(tmp_path / NAME, overwrite=True) as temporary:
        temporary.write_text("half")
        raise failure
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "old"


def test_overwriting_replaces_the_old_file(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("old")
    with atomic_write(tmp_path / NAME, overwrite=True) as temporary:
        temporary.write_text("new")
    assert (tmp_path / NAME).read_text() == "new"


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with (
        pytest.raises(RequestError, match="--overwrite"),
        atomic_write(tmp_path / NAME, overwrite=False) as temporary,
    ):
        temporary.write_text("ours")
        (tmp_path / NAME).write_text("theirs")
    assert names(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_text() == "theirs"


def test_a_folder_without_hard_links_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with atomic_write(tmp_path / NAME, overwrite=False) as temporary:
        temporary.write_text("new")
    assert names(tmp_path) == [NAME]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT])
def test_an_error_of_the_system_names_the_file_and_the_reason(tmp_path: Path, code: int) -> None:
    with pytest.raises(StorageError) as caught, atomic_write(tmp_path / NAME, False) as temporary:
        temporary.touch()
        raise OSError(code, "whatever the library says\non two lines")
    assert str(caught.value) == f"cannot write '{tmp_path / NAME}': {os.strerror(code)}"
    assert names(tmp_path) == []


def test_a_folder_that_vanished_is_a_storage_error(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="No such file or directory"),
        atomic_write(tmp_path / "gone" / NAME, False) as temporary,
    ):
        temporary.touch()


def test_checking_creates_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / NAME, overwrite=False)
    assert names(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("name", ["model.h5", "model", "model.keras", ".weights.h5"])
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
