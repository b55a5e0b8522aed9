"""Which output a class is, and files of class names: what is found, said and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.datasets.class_matching import MatchedClasses, match_classes, matched, note_unseen
from kextract.datasets.images import Dataset
from kextract.datasets.names import read_class_names
from kextract.errors import DatasetError, RequestError

PETS = ("ant", "bee", "cat")
DIGITS = tuple("0123456789")


def numerals(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(count))


def match(
    known: tuple[str, ...],
    names: tuple[str, ...],
    used: list[int] | None = None,
    classes: int | None = None,
) -> MatchedClasses:
    places = list(range(len(names))) if used is None else used
    return match_classes(
        "'a.keras'", known, classes or len(known), "data set 'mine'", names, places
    )


@pytest.mark.parametrize(
    ("known", "names", "outputs"),
    [
        (PETS, ("cat", "ant", "bee"), (2, 0, 1)),
        (PETS, ("bee", "cat"), (1, 2)),
        (PETS, ("Bee", " C-A_T"), (1, 2)),
        (("maple tree", "T-shirt/top"), ("tshirt_top", "Maple-Tree"), (1, 0)),
        (("caf\u00e9", "tea"), ("tea", "cafe\u0301"), (1, 0)),
        (("A", "a", "b"), ("a", "A", "B"), (1, 0, 2)),  # exactly, where that is possible
        (("crane", "crow", "crane"), ("crow",), (1,)),
        (DIGITS, ("07", "008", " 9 "), (7, 8, 9)),
        (numerals(12), tuple(sorted(numerals(12))), (0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9)),
        (tuple(sorted(numerals(12))), numerals(12), (0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3)),
    ],
)
def test_names_meet_names_and_numbers_count_by_value(
    known: tuple[str, ...], names: tuple[str, ...], outputs: tuple[int, ...]
) -> None:
    assert match(known, names) == MatchedClasses(outputs, known, None)


def test_a_class_without_images_need_not_be_known() -> None:
    assert match(PETS, ("cat", "wasp"), used=[0]).outputs == (2, -1)


@pytest.mark.parametrize(
    ("known", "names", "classes", "outputs", "says"),
    [
        ((), PETS, 3, (0, 1, 2), "'a.keras' has no class names: class 0 is taken for 'ant', 1"),
        ((), ("bee", "cat"), 3, (0, 1), "class 0 is taken for 'bee', 1 for 'cat'; --class-names"),
        (numerals(3), PETS, 3, (0, 1, 2), "class 0 is taken for 'ant', 1 for 'bee', 2 for 'cat'"),
        ((), ("7", "8"), 10, (7, 8), "class 7 is taken for '7', 8 for '8'"),
        (PETS, numerals(3), 3, (0, 1, 2), "data set 'mine' has no class names: class 0 is taken"),
        (PETS, ("2", "1"), 3, (2, 1), "class 1 is taken for 'bee', 2 for 'cat'"),
        # As many numbers as outputs, and none of them a place: in their order.
        (PETS, ("1", "2", "3"), 3, (0, 1, 2), "class 1 is taken for 'ant', 2 for 'bee', 3 for"),
        ((), ("1", "10", "2"), 3, (0, 2, 1), "class 0 is taken for '1', 1 for '2', 2 for '10'"),
    ],
)
def test_without_names_on_one_side_a_line_says_what_is_taken_for_what(
    known: tuple[str, ...], names: tuple[str, ...], classes: int, outputs: Any, says: str
) -> None:
    found = match(known, names, classes=classes)
    assert found.outputs == outputs
    assert found.note is not None and says in found.note


def test_the_line_is_short_for_many_classes() -> None:
    note = match((), tuple(f"class {index}" for index in range(1000)), classes=1000).note
    assert note is not None and len(note) < 300
    assert "4 for 'class 4' and 995 more" in note


@pytest.mark.parametrize(
    ("known", "names", "called"),
    [(PETS, numerals(3), PETS), ((), PETS, PETS), ((), ("ant", "bee"), ()), ((), ("1",), ())],
)
def test_outputs_are_called_as_the_classifier_says_else_as_data_that_name_all(
    known: tuple[str, ...], names: tuple[str, ...], called: tuple[str, ...]
) -> None:
    assert match(known, names, classes=3).names == called


@pytest.mark.parametrize(
    ("known", "names", "says"),
    [
        (PETS, ("z-ant", "bee"), "does not know: z-ant; it knows ant, bee, cat: --class-n"),
        (DIGITS, ("8", "9", "10"), "does not know: 10; it knows 0, 1, 2, 3, 4"),
        (("A", "a"), ("-a", "A"), "'-a' could be the outputs 0 and 1 of 'a.keras'"),
        (("crane", "crow", "crane"), ("crane",), "could be the outputs 0 and 2"),
        (PETS, ("Ant", "ant"), "'Ant' and 'ant' are both output 0"),
        (DIGITS, tuple("abcdefghijk"), "has 11 classes, but 'a.keras' knows 10"),
        (PETS, ("9" * 5000, "ant"), "9..."),
    ],
)
def test_what_is_unknown_or_ambiguous_is_refused_in_a_line(
    known: tuple[str, ...], names: tuple[str, ...], says: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        match(known, names)
    message = str(caught.value)
    assert says in message and "data set 'mine'" in message
    assert len(message) < 400


def test_labels_that_begin_at_1_are_told_from_unknown_ones() -> None:
    with pytest.raises(DatasetError, match="that begin at 1 its lines are 1 to 10"):
        match(DIGITS, numerals(11), used=list(range(1, 11)))
    with pytest.raises(DatasetError) as caught:
        match(DIGITS, numerals(12), used=[0, 11])
    assert "begin at 1" not in str(caught.value)
    # And so are they matched, with a file of those lines.
    outputs = match(numerals(11)[1:], numerals(11), used=list(range(1, 11))).outputs
    assert outputs == (-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def data(names: tuple[str, ...], train: list[int] | None, test: list[int] | None = None) -> Dataset:
    def split(labels: list[int] | None) -> tuple[Any, Any]:
        if labels is None:
            return None, None
        return np.zeros((len(labels), 16, 16, 1), np.uint8), np.array(labels, np.int64)

    return Dataset("mine", *split(train), *split(test), names)


def test_labels_of_both_splits_become_outputs_and_a_split_may_lack_a_class() -> None:
    found, names = matched(data(("cat", "bee"), [0, 1, 1], [0]), "'a.keras'", PETS, 3)
    assert found.y_train is not None and found.y_test is not None
    assert (found.y_train.tolist(), found.y_test.tolist()) == ([2, 1, 1], [2])
    assert found.y_train.dtype == np.int64
    assert (found.class_names, names) == (PETS, PETS)
    assert found.notes == ("data set 'mine' has no images of 1 of the 3 classes of 'a.keras': ant",)


def test_a_teacher_s_user_is_told_of_classes_that_have_no_training_images() -> None:
    assert note_unseen(data(PETS, [0, 1, 2])) == ()
    assert note_unseen(data(PETS, None, [0])) == ()
    assert note_unseen(data(PETS, [0, 2], [1])) == (
        "data set 'mine' has no training images of 1 of its 3 classes: bee",
    )
    (note,) = note_unseen(data(numerals(11), list(range(1, 11))))
    assert note.endswith("of 1 of its 11 classes: 0; its labels are taken to count from 0")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.txt", "cat\ndog\n\n hot dog \n"),
        ("x.json", '["cat", "dog", "hot dog"]'),
        ("x.json", '{"1": "dog", "0": "cat", "2": "hot dog"}'),
        ("x.json", '{"cat": 0, "hot dog": 2, "dog": 1}'),
        ("x.txt", "\ufeffcat\r\ndog\r\nhot dog\r\n"),
    ],
)
def test_names_are_read_by_line_or_by_label(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_class_names(tmp_path / name, 3) == ("cat", "dog", "hot dog")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.txt", b"cat\ndog", "has 2 names, but there are 3 classes"),
        ("x.txt", b"\xff\xfd", "expected text with a name per line"),
        ("x.txt", b"a\nb\nc\x1b[2J", "not printable"),
        ("x.json", b'{"0": "a", "1": "b", "5": "c"}', "expected text"),
        ("x.json", b'{"1": "a", "2": "b", "3": "c"}', "one for each label from 0 on"),
        ("x.json", b"[1, 2, 3]", "expected text"),
        ("x.json", b"[" * 100_000, "expected text"),
    ],
)
def test_another_file_is_refused_by_its_flag(
    name: str, data: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RequestError) as caught:
        read_class_names(tmp_path / name, 3)
    assert says in str(caught.value)
    assert str(caught.value).startswith("--class-names ")
    assert str(caught.value).isprintable()
