import pytest
import tensorflow as tf

from kextract.config import DistillConfig
from kextract.errors import UnknownNameError
from kextract.models.frozen import frozen
from kextract.transfer import METHODS, method_spec
from kextract.transfer.source import SourceContext, as_batch
from tests.training.examples import SHAPE, SMALL_INVERSION, WAYS, easy_images, tiny_network


@pytest.mark.parametrize(
    ("name", "recipe"),
    [pytest.param(*way, marks=() if "corrected" in way else pytest.mark.slow) for way in WAYS],
)
def test_every_method_gives_float_batches_of_the_asked_shape(name: str, recipe: str) -> None:
    config = DistillConfig(
        recipe=recipe,
        steps_per_epoch=3,
        batch_size=2,
        noise_iterations=2,
        leaves=12,
        precision="float32",
        inversion=SMALL_INVERSION,
    )
    teacher, student = tiny_network(1), tiny_network(2)
    classifier = frozen(teacher, batch_statistics=recipe == "article")
    context = SourceContext(classifier, teacher, student, config, easy_images(5).x)
    source = method_spec(name).make(context)
    batches = []
    for step in range(3):
        list(source.refresh(1, step))
        batches.append(as_batch(source.batch()).images)
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
