import pytest
import tensorflow as tf

from kextract.errors import UnknownNameError
from kextract.methods import METHODS, method_spec
from kextract.methods.making import CLASSES
from tests.methods.examples import made
from tests.training.examples import SHAPE, WAYS


def test_every_method_has_a_class_that_makes_its_images() -> None:
    assert CLASSES.keys() == METHODS.keys()


@pytest.mark.parametrize(
    ("name", "recipe"),
    [pytest.param(*way, marks=() if "corrected" in way else pytest.mark.slow) for way in WAYS],
)
def test_every_method_gives_float_batches_of_the_asked_shape(name: str, recipe: str) -> None:
    method = made(method=name, recipe=recipe, batch_size=2, leaves=12)
    batches = []
    for step in range(3):
        list(method.refresh(1, step))
        batches.append(method.batch().images)
    assert [(batch.shape, batch.dtype) for batch in batches] == [((2, *SHAPE), tf.float32)] * 3


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_description_of_one_line(name: str) -> None:
    description = METHODS[name].description
    assert description and "\n" not in description


@pytest.mark.parametrize(
    ("wrong", "right"), [("adverserial", "adversarial"), ("Random", "random"), ("rand", "random")]
)
def test_an_unknown_method_is_answered_with_the_nearest_one(wrong: str, right: str) -> None:
    with pytest.raises(UnknownNameError, match=f"method '{wrong}': did you mean '{right}'"):
        method_spec(wrong)


def test_a_name_like_no_method_is_answered_with_all_of_them() -> None:
    with pytest.raises(UnknownNameError, match=", ".join(METHODS)):
        method_spec("qqq")
