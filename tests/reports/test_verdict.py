"""What a run says at its end: how good the student is, why it is not, and what to do next."""

from dataclasses import replace

import pytest

from kextract.models.cost import Cost
from kextract.records import EpochRecord
from kextract.reports.verdict import Sizes, percent, verdict
from tests.storage.examples import INFO

SMALLER = Sizes(Cost(35_000, 220_000), Cost(175_000, 1_000_000))
FILES = ("small.weights.h5", "big.keras")
GOOD = {"accuracy": 0.986, "agreement": 0.991, "teacher_accuracy": 0.99, "images": 10_000.0}


def said(
    test: dict[str, float] | None = None,
    details: dict[str, float] | None = None,
    sizes: Sizes = SMALLER,
    method: str = "leaves",
) -> str:
    """The verdict on a student of ten classes."""
    info = replace(
        INFO,
        kind="student",
        classes=10,
        class_names=(),
        config={"method": method, "mix": None},
        history=(EpochRecord(1, details=details or {}),),
        test=test or {},
    )
    return str(verdict(info, sizes, *FILES))


def test_a_good_student_is_compared_with_its_teacher_and_can_be_exported() -> None:
    assert said(GOOD) == (
        "The student agrees with its teacher on 99.1 % of 10,000 test images (accuracy 98.6 %, its"
        " teacher's 99.0 %). It has 20 % of its teacher's parameters and 22 % of the multiply-adds,"
        " about 35 KB of weights as int8. Next: kextract export small.weights.h5 --int8"
    )


def test_without_labels_it_says_how_far_to_trust_that_and_what_50_images_would_add() -> None:
    assert said(details={"unseen_agreement": 0.54}) == (
        "The student agrees with its teacher on 54 % of made-up images that it was not taught with"
        " (by chance 10 %). That is a rough sign and mostly a low one, as they are harder than"
        " photographs or digits: students that were right on more than 90 % of test images have had"
        " 54 %. It has 20 % of its teacher's parameters and 22 % of the multiply-adds, about 35 KB"
        " of weights as int8. 50 labelled images would show its accuracy to within 10 points. Next:"
        " kextract evaluate small.weights.h5 --against big.keras -d FOLDER"
    )


def test_a_student_larger_than_its_teacher_is_so_many_times_as_large() -> None:
    sizes = Sizes(Cost(15_356, 16_700_000), Cost(16, 12))
    assert "It has 960 times its teacher's parameters and 1,391,667 times the" in said(
        GOOD, sizes=sizes
    )
    assert sizes.teacher is not None
    assert "(960 times), 16.7 million multiply-adds (1,391,667 times)" in sizes.own.described(
        sizes.teacher
    )


def test_it_is_about_the_epoch_whose_weights_the_student_has() -> None:
    history = tuple(
        EpochRecord(epoch, details={"unseen_agreement": agreement})
        for epoch, agreement in enumerate((0.84, 0.7, 0.56))
    )
    info = replace(
        INFO, kind="student", classes=2, history=history, config={"kept_epoch": 0}, test={}
    )
    assert "agrees with its teacher on 84 % of made-up images" in str(verdict(info, SMALLER))


POOR = {"accuracy": 0.2, "agreement": 0.2, "teacher_accuracy": 0.99, "images": 1000.0}


@pytest.mark.parametrize(
    ("details", "method", "cause"),
    [
        ({}, "random", "noise says little about images. Try it without --method"),
        ({"collapsed": 1.0}, "inversion", "the generator collapsed, its images look alike. Try an"),
        ({"entropy": 0.3}, "leaves", "most of its images are of a few classes. Try --mix"),
        ({"transfer_agreement": 0.5}, "leaves", "it has not learned yet what it was shown"),
        ({"transfer_agreement": 0.99}, "leaves", "its images are unlike those it is measured on"),
        ({"transfer_agreement": 0.99}, "queries", "it asked too little. Try a larger --query"),
    ],
)
def test_a_poor_student_is_called_so_with_the_likeliest_cause(
    details: dict[str, float], method: str, cause: str
) -> None:
    text = said(POOR, details, method=method)
    assert text.startswith("The student has learned little: it agrees with its teacher on 20")
    assert f"Likeliest cause: {cause}" in text


def test_a_teacher_that_knows_nothing_is_the_cause_of_all() -> None:
    text = said({**GOOD, "accuracy": 0.11, "teacher_accuracy": 0.11})
    assert "The teacher itself is hardly better than chance on these images" in text
    assert text.endswith("Next: kextract inspect big.keras")


def test_of_a_black_box_only_what_was_measured_is_said() -> None:
    text = said({"accuracy": 0.986, "images": 1000.0}, sizes=Sizes(Cost(21_000, 337_000)))
    assert text == (
        "The student is right on 98.6 % of 1,000 test images. It has 21,000 parameters, about 21 KB"
        " of weights as int8. Next: kextract evaluate small.weights.h5 --against big.keras"
    )


@pytest.mark.parametrize(
    ("accuracy", "end"),
    [
        (0.986, "Next: kextract distill small.weights.h5"),
        (0.12, "It has learned next to nothing: try more --epochs"),
    ],
)
def test_a_teacher_is_to_be_distilled_unless_it_knows_nothing(accuracy: float, end: str) -> None:
    info = replace(INFO, kind="teacher", classes=10, class_names=(), test={"accuracy": accuracy})
    assert end in str(verdict(info, Sizes(Cost(300_000, 34_000_000)), *FILES))


@pytest.mark.parametrize(
    ("share", "count", "text"),
    [(0.991, 10_000, "99.1 %"), (0.9, 50, "90 %"), (0.875, None, "88 %"), (1.0, 50, "100.0 %")],
)
def test_a_share_has_the_digits_that_so_many_images_deserve(
    share: float, count: int, text: str
) -> None:
    assert percent(share, count) == text
