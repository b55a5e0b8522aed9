import sqlite3
from pathlib import Path

import numpy as np
import pytest

from kextract.errors import CheckpointError, RequestError, StorageError
from kextract.teachers.asking import heading_of
from kextract.teachers.ledger import Counts, Ledger, bytes_of, open_ledger
from kextract.teachers.questions import Source
from tests.teachers.examples import (
    SOURCE,
    Brightness,
    all_of,
    expected,
    images_of,
    ledger,
    pictures,
    recipes,
)


def filled(folder: Path, outputs: str = "probabilities") -> Path:
    """A ledger with five questions, of which three are answered and two were sent twice."""
    with ledger(folder, outputs=outputs) as made:
        images = pictures(5)
        made.ask(recipes(images[:3]))
        made.send(3)
        made.answer(expected(images[:3], outputs))
        made.ask(recipes(images[3:]))
        made.send(2)
        made.send(2)
        return made.path


@pytest.mark.parametrize("outputs", ["probabilities", "logits", "labels"])
def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path, outputs: str) -> None:
    kind = "labels" if outputs == "labels" else "probabilities"
    with ledger(tmp_path, outputs=outputs) as made:
        made.ask(recipes(pictures(5)))
        made.send(5)
        made.answer(expected(pictures(5), kind))
    with Ledger(tmp_path / "x.ledger.db", read_only=True) as again:
        np.testing.assert_array_equal(all_of(again), pictures(5))
        np.testing.assert_array_equal(again.responses, expected(pictures(5), kind))
        assert again.counts == Counts(sent=5, asked=5, answered=5)


def test_an_image_that_is_not_the_one_that_was_asked_about_is_refused(tmp_path: Path) -> None:
    """As where another machine rounds otherwise, or somebody changed the file."""
    path = filled(tmp_path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE questions SET recipe = zeroblob(16) WHERE place = 1")
    database.close()
    with Ledger(path, read_only=True) as changed:
        changed.questions.made_by(images_of)
        np.testing.assert_array_equal(changed.questions[np.array([2, 0])], pictures(5)[[2, 0]])
        with pytest.raises(CheckpointError, match=r"question 1 becomes another image .* --ledger$"):
            changed.questions[np.array([2, 1])]


def test_a_question_of_a_large_image_takes_less_than_two_kilobytes(tmp_path: Path) -> None:
    class Large(Brightness):
        input_shape = (224, 224, 3)

    path = tmp_path / "x.ledger.db"
    with open_ledger(path, heading_of(Large()), 2000) as large:
        source = Source("leaves", numbers=40)
        large.begin(source, lambda rows: np.zeros((len(rows), 224, 224, 3), np.uint8))
        for start in range(0, 2000, 100):
            large.ask(np.zeros((100, 40), np.uint32))
            large.send(100)
            large.answer(expected(pictures(100, seed=start)))
        predicted = bytes_of(large.heading, source, 2000)
    assert path.stat().st_size < 2000 * 2048
    assert path.stat().st_size == pytest.approx(predicted, rel=0.25)


def test_any_program_that_reads_sqlite_can_read_a_ledger(tmp_path: Path) -> None:
    with sqlite3.connect(filled(tmp_path)) as database:
        rows = database.execute("SELECT recipe, response FROM questions ORDER BY place").fetchall()
        assert database.execute("SELECT sent, height, classes FROM ledger").fetchone() == (7, 4, 3)
    assert [recipe for recipe, _ in rows] == [image.tobytes() for image in pictures(5)]
    answered = [response for _, response in rows if response is not None]
    assert answered == [row.tobytes() for row in expected(pictures(3))]


def test_a_ledger_whose_budget_is_spent_is_only_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    path.chmod(0o444)
    with open_ledger(path, heading_of(Brightness()), 7) as spent:
        assert spent.counts == Counts(sent=7, asked=5, answered=3)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_two_runs_do_not_write_to_one_ledger(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with (
        open_ledger(path, heading_of(Brightness()), 20),
        pytest.raises(
            RequestError, match=r"^another run is writing '.*x.ledger.db' .* another --ledger$"
        ),
    ):
        open_ledger(path, heading_of(Brightness()), 20)


def test_answers_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"with the outputs 'probabilities', not 'labels'"):
        open_ledger(filled(tmp_path), heading_of(Brightness("labels")), 20)


def test_while_nothing_was_answered_another_kind_of_answers_may_come_and_counts_stay(
    tmp_path: Path,
) -> None:
    with ledger(tmp_path) as made:
        made.ask(recipes(pictures(4)))
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


def test_a_full_disk_leaves_what_was_written(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with Ledger(path, room=900) as made:
        made.begin(SOURCE, images_of)
        pages = made._database.execute("PRAGMA page_count").fetchone()[0]
        made._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match=r"cannot write '.*': database or disk is full"):
            made.ask(recipes(pictures(800)))
    with Ledger(path, read_only=True) as again:
        assert again.counts == Counts(sent=7, asked=5, answered=3)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE ledger SET version = 9", "is a ledger of version 9"),
        ("UPDATE ledger SET outputs = char(27) || '[31mrumours'", "unknown kind '.x1b.31mrumours'"),
        (f"UPDATE ledger SET height = {1 << 40}", "declares images of shape"),
        ("UPDATE ledger SET numbers = 5", "rows are not of the size declared"),
        (f"UPDATE ledger SET numbers = {1 << 40}", "of 1099511627776 numbers each"),
        ("UPDATE ledger SET seed = -1", "declares questions"),
        ("UPDATE ledger SET classes = 4", "rows are not of the size declared"),
        ("UPDATE ledger SET teacher = NULL", "does not declare what it holds"),
        ("DELETE FROM ledger", "does not declare what it holds"),
        ("INSERT INTO ledger SELECT * FROM ledger", "does not declare what it holds"),
        ("UPDATE ledger SET sent = 2", "2 sent"),
        ("UPDATE questions SET response = NULL WHERE place = 0", "they are not the first"),
        ("DELETE FROM questions WHERE place = 1", "they are not the first"),
        ("UPDATE questions SET place = -1 WHERE place = 4", "they are not the first"),
        ("UPDATE questions SET recipe = zeroblob(1000000) WHERE place = 4", "not of the size"),
        ("UPDATE questions SET recipe = 'a text of 16 ...' WHERE place = 4", "not of the size"),
        ("UPDATE questions SET response = x'0000c07f0000c07f0000c07f' WHERE place = 1", "finite"),
        ("UPDATE questions SET response = x'0000803f0000803f00000000' WHERE place = 1", "sums to"),
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
