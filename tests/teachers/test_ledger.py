import sqlite3
from pathlib import Path

import numpy as np
import pytest

from kextract.errors import CheckpointError, RequestError, StorageError
from kextract.teachers.asking import heading_of
from kextract.teachers.ledger import Counts, Ledger, is_ledger, open_ledger
from tests.teachers.examples import Brightness, expected, ledger, pictures


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
    with Ledger(tmp_path / "x.ledger.db", read_only=True) as again:
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


def test_any_program_that_reads_sqlite_can_read_a_ledger(tmp_path: Path) -> None:
    with sqlite3.connect(filled(tmp_path)) as database:
        rows = database.execute("SELECT image, response FROM questions ORDER BY place").fetchall()
        assert database.execute("SELECT sent, height, classes FROM ledger").fetchone() == (7, 4, 3)
    assert [image for image, _ in rows] == [image.tobytes() for image in pictures(5)]
    answered = [response for _, response in rows if response is not None]
    assert answered == [row.tobytes() for row in expected(pictures(3))]


def test_a_closed_ledger_is_one_file(tmp_path: Path) -> None:
    path = filled(tmp_path)
    assert [each for each in tmp_path.iterdir() if not each.name.endswith(".lock")] == [path]


def test_a_larger_budget_keeps_what_is_there(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with open_ledger(path, heading_of(Brightness()), 50) as grown:
        assert grown.counts == Counts(sent=7, asked=5, answered=3)
        np.testing.assert_array_equal(grown.questions, pictures(5))
        np.testing.assert_array_equal(grown.responses, expected(pictures(3)))


def test_a_ledger_whose_budget_is_spent_is_only_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    path.chmod(0o444)
    with open_ledger(path, heading_of(Brightness()), 7) as spent:
        assert spent.counts == Counts(sent=7, asked=5, answered=3)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_ledger_is_read_while_another_run_writes_to_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Ledger(path, room=9) as writer:
        writer.ask(pictures(1))
        with Ledger(path, read_only=True) as reader:
            assert reader.counts == writer.counts


def test_two_runs_do_not_write_to_one_ledger(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with (
        open_ledger(path, heading_of(Brightness()), 20),
        pytest.raises(
            RequestError, match=r"^another run is writing '.*x.ledger.db' .* another --ledger$"
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
    with Ledger(made.path, room=9) as changed:
        changed.ask(pictures(1, seed=9))
        changed.send(1)
        changed.answer(expected(pictures(1, seed=9)))
        assert changed.sha256() != alone


def test_a_full_disk_leaves_what_was_written(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Ledger(path, room=900) as made:
        pages = made._database.execute("PRAGMA page_count").fetchone()[0]
        made._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match=r"cannot write '.*': database or disk is full"):
            made.ask(pictures(800))
    with Ledger(path, read_only=True) as again:
        assert again.counts == Counts(sent=7, asked=5, answered=3)


def test_a_ledger_is_told_from_other_files(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE x (y)")
    assert is_ledger(filled(tmp_path))
    assert not is_ledger(other)
    assert not is_ledger(tmp_path / "missing.db")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE ledger SET version = 2", "is a ledger of version 2"),
        ("UPDATE ledger SET outputs = char(27) || '[31mrumours'", "unknown kind '.x1b.31mrumours'"),
        ("UPDATE ledger SET height = 0", "declares images of shape"),
        (f"UPDATE ledger SET height = {1 << 40}", "declares images of shape"),
        ("UPDATE ledger SET width = 5", "rows are not of the size declared"),
        ("UPDATE ledger SET classes = 1", "declares 1 classes"),
        ("UPDATE ledger SET classes = 4", "rows are not of the size declared"),
        ("UPDATE ledger SET classes = 'many'", "does not declare what it holds"),
        ("UPDATE ledger SET teacher = NULL", "does not declare what it holds"),
        ("DELETE FROM ledger", "does not declare what it holds"),
        ("INSERT INTO ledger SELECT * FROM ledger", "does not declare what it holds"),
        ("UPDATE ledger SET sent = -1", "counts -1 sent"),
        ("UPDATE ledger SET sent = 2", "2 sent"),
        ("UPDATE questions SET response = NULL WHERE place = 0", "they are not the first"),
        ("DELETE FROM questions WHERE place = 1", "they are not the first"),
        ("UPDATE questions SET place = -1 WHERE place = 4", "they are not the first"),
        ("UPDATE questions SET image = zeroblob(1000000) WHERE place = 4", "not of the size"),
        ("UPDATE questions SET image = 'a text of 16 ...' WHERE place = 4", "not of the size"),
        ("UPDATE questions SET response = x'0000c07f0000c07f0000c07f' WHERE place = 1", "finite"),
        ("UPDATE questions SET response = x'0000803f0000803f00000000' WHERE place = 1", "sums to"),
        ("UPDATE questions SET response = x'0000a04000000000000080c0' WHERE place = 1", "numbers"),
        ("CREATE TRIGGER t AFTER UPDATE ON ledger BEGIN SELECT 1; END", "other tables"),
        ("CREATE TABLE more (x)", "other tables"),
        ("DROP TABLE questions", "other tables"),
        ("PRAGMA application_id = 1", "is not a ledger"),
    ],
)
def test_a_hostile_ledger_is_refused_in_one_line(tmp_path: Path, change: str, says: str) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path) as database:
        database.execute(change)
    database.close()
    with pytest.raises(CheckpointError, match=says) as refusal:
        Ledger(path, read_only=True)
    assert "\n" not in str(refusal.value) and str(path) in str(refusal.value)


def test_a_damaged_ledger_is_refused_or_says_what_was_written(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            with Ledger(path, read_only=True) as read:
                assert read.counts.asked <= 5
        except CheckpointError as error:
            assert "\n" not in str(error)


def test_a_truncated_ledger_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 997):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError):
            Ledger(path, read_only=True)
