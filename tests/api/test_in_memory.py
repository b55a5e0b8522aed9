"""Networks in memory, as teachers and as students of every function of the Python API."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kextract
from kextract.datasets.loading import load_dataset
from kextract.errors import RequestError

TEACHER = Path(__file__).parents[2] / "checkpoints" / "strokes-resnet11.weights.h5"
NOISE: dict[str, Any] = {
    **{"method": "random", "epochs": 1, "steps_per_epoch": 2, "batch_size": 4},
    **{"threads": 1, "seed": 3, "input_range": "0,1"},
}
pytestmark = [
    pytest.mark.usefixtures("_few_strokes"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def dense(classes: int = 10, activation: str | None = None) -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(classes, activation=activation)],
        name="linear",
    )


@pytest.mark.parametrize(
    ("teacher", "method", "student"),
    [
        ("file", "random", "own"),
        pytest.param("memory", "auto", "teacher@0.5", marks=pytest.mark.slow),
        pytest.param("file", "auto", "own", marks=pytest.mark.slow),
    ],
)
def test_whatever_is_taught_in_whatever_way_is_had_saved_exported_and_measured(
    teacher: str, method: str, student: str, tmp_path: Path
) -> None:
    given: Any = dense(activation="softmax")
    if teacher == "file":
        given.save(tmp_path / "teacher.keras")
        given = tmp_path / "teacher.keras"
    options = NOISE | {"method": method} | ({"leaves": 12} if method == "auto" else {})
    run = kextract.distill(given, dense() if student == "own" else student, **options)
    seen = np.random.default_rng(0).uniform(-1, 1, (8, 28, 28, 1)).astype(np.float32)
    expected = run.student(seen).numpy()
    assert np.isfinite(expected).all()
    run.save(tmp_path / "student.weights.h5")
    found = kextract.load(tmp_path / "student.weights.h5")(seen).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    kextract.export(run.model, tmp_path / "student.keras")
    found = keras.models.load_model(tmp_path / "student.keras")(seen).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    results = kextract.evaluate([tmp_path / "student.weights.h5", run.model], dataset="strokes")
    assert results[0].accuracy == pytest.approx(results[1].accuracy, abs=0.01)


class OfItsOwn(keras.Model):
    """A network that computes in code of its own."""

    def __init__(self, softmax: bool = False) -> None:
        super().__init__()
        layers = keras.layers
        self.features = layers.Conv2D(4, 5, strides=3)
        self.normalized = layers.BatchNormalization()
        self.classifier = layers.Dense(10, activation="softmax" if softmax else None)

    def call(self, inputs: Any, training: bool = False) -> Any:
        x = self.normalized(self.features(inputs), training=training)
        return self.classifier(keras.ops.reshape(x, (-1, 256)))


def of_its_own() -> Any:
    model = OfItsOwn()
    model(np.zeros((1, 28, 28, 1), np.float32))
    return model


def test_a_model_with_code_of_its_own_teaches() -> None:
    teacher = of_its_own()
    before = [value.copy() for value in teacher.get_weights()]
    run = kextract.distill(teacher, dense(), **NOISE)
    assert run.model.output_shape == (None, 10)
    for value, again in zip(before, teacher.get_weights(), strict=True):
        assert (value == again).all()


def test_what_needs_the_layers_of_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    teacher = of_its_own()
    with pytest.raises(RequestError, match=r"teacher@0.5: the model .* code of its own"):
        kextract.distill(teacher, "teacher@0.5", **NOISE).info  # noqa: B018
    with pytest.raises(RequestError, match=r"code of its own, of which no copy"):
        kextract.export(teacher, tmp_path / "a.keras")
    with pytest.raises(RequestError, match=r"^student: the model .* code of its own"):
        kextract.distill(dense(), of_its_own(), method="random")


def never_built() -> Any:
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])


def of_two_images() -> Any:
    pixels = [keras.Input((28, 28, 1)), keras.Input((28, 28, 1))]
    mixed = keras.layers.Flatten()(keras.layers.Add()(pixels))
    return keras.Model(pixels, keras.layers.Dense(10)(mixed))


def of_two_outputs() -> Any:
    pixels = keras.Input((28, 28, 1))
    row = keras.layers.Flatten()(pixels)
    return keras.Model(pixels, [keras.layers.Dense(10)(row), keras.layers.Dense(3)(row)])


@pytest.mark.parametrize(
    ("teacher", "says"),
    [
        (lambda: None, "^teacher: expected the path of a file or a keras.Model, found None$"),
        (lambda: ["a.keras"], "found list$"),
        (lambda: dense, "found function$"),
        (never_built, "^teacher: the model '.*' was never built"),
        (of_two_images, "^teacher: the model '.*' takes 2 inputs"),
        (of_two_outputs, "outputs"),
    ],
)
def test_a_teacher_that_cannot_be_is_refused_in_one_line(teacher: Any, says: str) -> None:
    with pytest.raises(RequestError, match=says) as refused:
        kextract.distill(teacher(), "tiny", method="random")
    assert "\n" not in str(refused.value)


def test_a_teacher_may_take_and_give_a_dictionary() -> None:
    pixels = keras.Input((28, 28, 1), name="image")
    logits = keras.layers.Dense(10)(keras.layers.Flatten()(pixels))
    teacher = keras.Model({"image": pixels}, {"class": logits})
    assert len(kextract.distill(teacher, dense(), **NOISE).history) == 2


def test_a_student_that_shares_its_teacher_s_weights_is_refused() -> None:
    teacher = dense()
    pixels = keras.Input((28, 28, 1))
    with pytest.raises(RequestError, match=r"^student: .* shares 2 of its variables"):
        kextract.distill(teacher, keras.Model(pixels, teacher(pixels)), method="random")


def test_networks_in_memory_are_measured() -> None:
    models = [dense(), of_its_own()]
    results = kextract.evaluate(models, against=dense(), dataset="strokes", input_range="0,1")
    logits = models[0](scaled_strokes()).numpy()
    assert results[0].accuracy == pytest.approx((logits.argmax(axis=1) == labels()).mean())
    assert [result.images for result in results] == [200, 200]
    assert all(result.agreement is not None for result in results)
    with pytest.raises(RequestError, match="name them with --dataset"):
        kextract.evaluate(models[0])


def scaled_strokes() -> Any:
    data = load_dataset("strokes", None)
    assert data.x_test is not None
    return data.x_test.astype(np.float32) / 255


def labels() -> Any:
    return load_dataset("strokes", None).y_test


def test_a_student_of_other_weights_than_float32_is_refused() -> None:
    student = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, dtype="bfloat16")]
    )
    with pytest.raises(RequestError, match=r"^student: .* weights of bfloat16, expected float32"):
        kextract.distill(dense(), student, **NOISE)


class Doubled(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    layers = [Doubled(name="twice"), keras.layers.Flatten(), keras.layers.Dense(10)]
    student = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    run = kextract.distill(dense(), student, **NOISE)
    with pytest.raises(RequestError, match=r"layer 'twice' is of class '.*Doubled'"):
        run.save(tmp_path / "student.weights.h5")
    assert not list(tmp_path.iterdir())
    assert run.student.output_shape == (None, 10)
