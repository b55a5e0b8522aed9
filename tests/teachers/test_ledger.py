import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from kextract.errors import CheckpointError, RequestError, StorageError
from kextract.teachers.asking import heading_of
from kextract.teachers.ledger import Ledger, open_ledger
from kextract.teachers.ledger_file import Counts, is_ledger
from tests.teachers.examples import SHAPE, Brightness, expected, ledger, pictures


def filled(folder: Path, outputs: str = "probabilities") -> Path:
    """A ledger with five questions, of which three are answered and two were sent twice."""
    with ledger(folder, outputs=outputs) as made:
        images = pictures(5)
        made.ask(images[:3])
        made.send(3)
        made.answer(expected(images[:3], outputs))
        made.ask(images[3:])
        made.send(2)
        made.send(2)
        return made.path


@pytest.mark.parametrize("outputs", ["probabilities", "logits", "labels"])
def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path, outputs: str) -> None:
    kind = "labels" if outputs == "labels" else "probabilities"
    with ledger(tmp_path, outputs=outputs) as made:
        made.ask(pictures(5))
        made.send(5)
        made.answer(expected(pictures(5), kind))
    with Ledger(tmp_path / "x.ledger.h5", read_only=True) as again:
        np.testing.assert_array_equal(again.questions, pictures(5))
        np.testing.assert_array_equal(again.responses, expected(pictures(5), kind))
        assert again.counts == Counts(sent=5, asked=5, answered=5)


def test_questions_without_answers_are_kept_and_counted_as_often_as_they_were_sent(
    tmp_path: Path,
) -> None:
    with Ledger(filled(tmp_path), read_only=True) as again:
        assert again.counts == Counts(sent=7, asked=5, answered=3)
        np.testing.assert_array_equal(again.questions, pictures(5))
        np.testing.assert_array_equal(again.responses, expected(pictures(3)))


def test_any_program_that_reads_hdf5_can_read_a_ledger(tmp_path: Path) -> None:
    with h5py.File(filled(tmp_path)) as file:
        assert file["questions"].shape == (20, *SHAPE)
        np.testing.assert_array_equal(file["questions"][:5], pictures(5))
        np.testing.assert_array_equal(file["answers"][:3], expected(pictures(3)))
        assert list(file["counts"]) == [7, 5, 3]


def test_hdf5s_own_structures_are_never_written_after_the_file_was_made(tmp_path: Path) -> None:
    """What lies outside the three arrays is the same to the byte."""

    def outside(path: Path) -> bytes:
        content = bytearray(path.read_bytes())
        with h5py.File(path) as file:
            for data in file.values():
                start, size = data.id.get_offset(), data.id.get_storage_size()
                content[start : start + size] = bytes(size)
        return bytes(content)

    with ledger(tmp_path) as made:
        before = outside(made.path)
    assert outside(filled(tmp_path)) == before


def test_the_counts_lie_in_one_disk_sector(tmp_path: Path) -> None:
    with h5py.File(filled(tmp_path)) as file:
        assert file["counts"].id.get_offset() % 512 == 0


def test_a_larger_budget_makes_room_and_keeps_what_is_there(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with open_ledger(path, heading_of(Brightness()), 50) as grown:
        assert grown.capacity == 50
        assert grown.counts == Counts(sent=7, asked=5, answered=3)
        np.testing.assert_array_equal(grown.questions, pictures(5))
        np.testing.assert_array_equal(grown.responses, expected(pictures(3)))


def test_a_smaller_budget_takes_nothing_away(tmp_path: Path) -> None:
    with open_ledger(filled(tmp_path), heading_of(Brightness()), 9) as same:
        assert same.capacity == 20


def test_a_ledger_whose_budget_is_spent_is_only_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    path.chmod(0o444)
    with open_ledger(path, heading_of(Brightness()), 7) as spent, Ledger(path) as writer:
        assert writer.counts == spent.counts
    assert path.read_bytes() == before


def test_two_runs_do_not_write_to_one_ledger(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with (
        open_ledger(path, heading_of(Brightness()), 20),
        pytest.raises(
            RequestError, match=r"^another run is writing '.*x.ledger.h5' .* another --ledger$"
        ),
    ):
        open_ledger(path, heading_of(Brightness()), 20)


def test_the_answers_of_another_teacher_are_refused(tmp_path: Path) -> None:
    other = Brightness()
    other.name = "darkness"
    with pytest.raises(RequestError, match=r"made with the teacher 'brightness', not 'darkness'"):
        open_ledger(filled(tmp_path), heading_of(other), 20)


def test_answers_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"with the outputs 'probabilities', not 'labels'"):
        open_ledger(filled(tmp_path), heading_of(Brightness("labels")), 20)


def test_while_nothing_was_answered_another_kind_of_answers_may_come_and_counts_stay(
    tmp_path: Path,
) -> None:
    with ledger(tmp_path) as made:
        made.ask(pictures(4))
        made.send(4)
    with open_ledger(made.path, heading_of(Brightness("labels")), 20) as other:
        assert other.counts == Counts(sent=4, asked=4, answered=0)
        other.answer(expected(pictures(4), "labels"))
    with Ledger(made.path, read_only=True) as again:
        np.testing.assert_array_equal(again.responses, expected(pictures(4), "labels"))


def test_the_summary_tells_counts_shares_and_hash(tmp_path: Path) -> None:
    with Ledger(filled(tmp_path), read_only=True) as made:
        summary = made.summary()
    classes = expected(pictures(3)).argmax(axis=1)
    assert summary["class_shares"] == [(classes == index).mean() for index in range(3)]
    assert (summary["sent"], summary["asked"], summary["answered"]) == (7, 5, 3)
    assert len(summary["sha256"]) == 64


def test_the_hash_is_that_of_the_answered_questions(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = filled(tmp_path)
    with ledger(tmp_path / "other") as made:
        made.ask(pictures(3))
        made.send(3)
        made.answer(expected(pictures(3)))
        alone = made.sha256()
    with Ledger(first, read_only=True) as one:
        assert one.sha256() == alone
    with Ledger(made.path) as changed:
        changed.ask(pictures(1, seed=9))
        changed.send(1)
        changed.answer(expected(pictures(1, seed=9)))
        assert changed.sha256() != alone


def test_a_full_disk_leaves_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    with Ledger(path) as made:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"cannot write '.*': No space left on device"):
            made.answer(expected(pictures(5)[3:]))
    with Ledger(path, read_only=True) as again:
        assert again.counts == Counts(sent=7, asked=5, answered=3)


def test_a_ledger_is_told_from_other_files(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    assert is_ledger(filled(tmp_path))
    assert not is_ledger(other)
    assert not is_ledger(tmp_path / "missing.h5")


def attribute(name: str, value: Any) -> Any:
    return lambda file: file.attrs.__setitem__(name, value)


def counts(*numbers: int) -> Any:
    return lambda file: file["counts"].__setitem__(slice(None), numbers)


def answered(value: float) -> Any:
    return lambda file: file["answers"].__setitem__((0, 0), value)


def replaced(name: str, **how: Any) -> Any:
    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (attribute("kextract_ledger", np.int64(2)), "is a ledger of version 2"),
        (attribute("answers", np.bytes_("\x1b[31mrumours")), "of the unknown kind '.x1b.31mrumo"),
        (attribute("input_shape", np.array([0, 4, 1])), "declares images of shape"),
        (attribute("input_shape", np.array([1 << 40, 4, 1])), "declares images of shape"),
        (attribute("input_shape", np.array([4, 5, 1])), "'questions' has shape"),
        (attribute("classes", np.int64(1)), "declares 1 classes"),
        (attribute("classes", np.int64(4)), "'answers' has shape"),
        (attribute("capacity", np.int64(1 << 60)), "declares room for"),
        (attribute("capacity", np.int64(-1)), "declares room for -1"),
        (attribute("capacity", np.int64(21)), "'questions' has shape"),
        (counts(7, 5, 6), "counts 6 responses to 5 questions"),
        (counts(7, 21, 3), "counts 3 responses to 21 questions"),
        (counts(2, 5, 3), "2 sent"),
        (counts(7, 5, -1), "counts -1 responses"),
        (answered(np.nan), "holds numbers that are not finite"),
        (answered(0.9), "holds a row that sums to"),
        (answered(5.0), "holds numbers from"),
        (replaced("counts", data=np.array([7, 5, 3], "<i4")), "'counts' is not of type int64"),
        (replaced("answers", shape=(20, 3), dtype="<f4", chunks=(5, 3)), "chunked or virtual"),
        (
            replaced("questions", shape=(20, *SHAPE), dtype="u1", external="elsewhere.bin"),
            "in another file",
        ),
        (lambda file: file.__delitem__("answers"), "'answers' is missing"),
        (lambda file: file.attrs.__delitem__("teacher"), "attribute 'teacher' is missing"),
        (lambda file: file.attrs.__delitem__("kextract_ledger"), "is not a ledger"),
    ],
)
def test_a_hostile_ledger_is_refused_in_one_line(tmp_path: Path, change: Any, says: str) -> None:
    path = filled(tmp_path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(CheckpointError, match=says) as refusal:
        Ledger(path, read_only=True)
    assert "\n" not in str(refusal.value) and str(path) in str(refusal.value)


def test_a_truncated_ledger_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 997):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError):
            Ledger(path, read_only=True)
