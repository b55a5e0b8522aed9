import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.errors import CheckpointError
from kextract.foreign import ExternalNetwork
from kextract.foreign.keras import load_archive
from kextract.foreign.keras.allowed import RANDOM_LAYERS
from kextract.hdf5.weights import model_sha256
from kextract.models.input_range import Preprocessing
from kextract.models.statistics import batch_norm_layers
from tests.common import softmax
from tests.foreign.keras import examples
from tests.foreign.keras.examples import filled, save, user_cnn
from tests.foreign.keras.tutorials import TUTORIALS
from tests.fuzzing.damage import members_of

L = keras.layers


def pixels(shape: tuple[int, ...], count: int = 5) -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (count, *shape)).astype(np.float32)


def shown(path: Path, **options: Any) -> tuple[ExternalNetwork, Any, Any]:
    """What is read, its logits for some images, and what Keras gives for the same ones."""
    info = load_archive(path, **options)
    images = pixels(info.input_shape)
    theirs = keras.models.load_model(path)(images, training=False)
    return info, info.model(images, training=False).numpy(), theirs


@pytest.mark.parametrize("build", [user_cnn, examples.nested])
def test_a_saved_classifier_answers_as_it_does_in_keras(
    build: Callable[[], Any], tmp_path: Path
) -> None:
    _, logits, expected = shown(save(build(), tmp_path / "x.keras"))
    assert logits.dtype == np.float32
    assert expected.numpy().std(axis=0).max() > 1e-3
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)


def test_what_is_in_the_file_is_told(tmp_path: Path) -> None:
    saved = user_cnn()
    info = load_archive(save(saved, tmp_path / "x.keras"))
    assert (info.input_shape, info.classes) == ((16, 16, 1), 3)
    assert (info.head.outputs, info.head.taken_off) == ("probabilities", True)
    found = (info.network.count_params(), len(batch_norm_layers(info.network)))
    assert found == (saved.count_params(), 1)
    assert info.about["keras_version"] == keras.__version__
    assert info.sha256 == model_sha256(saved)


def end(*layers: Any) -> Any:
    features = [keras.Input((16, 16, 1)), L.Conv2D(3, 5, strides=3), L.GlobalAveragePooling2D()]
    return examples.filled(keras.Sequential([*features, *layers]))


def averaged() -> Any:
    x = keras.Input((16, 16, 1))
    y = L.Flatten()(x)
    ends = [L.Dense(3, activation="softmax")(y) for _ in range(2)]
    return examples.filled(keras.Model(x, L.Average()(ends)))


def by_operations() -> Any:
    x = keras.Input((16, 16, 1))
    logits = L.Dense(4)(L.GlobalAveragePooling2D()(L.Conv2D(3, 5)(x)))
    return examples.filled(keras.Model(x, keras.ops.softmax(logits / 2.0)))


HEADS: dict[str, tuple[Callable[[], Any], bool]] = {
    "dense": (lambda: end(L.Dense(4, activation="softmax")), True),
    "layer as activation": (lambda: end(L.Dense(4, activation=L.Softmax())), True),
    "layer": (lambda: end(L.Dense(4), L.Softmax()), True),
    "operation": (by_operations, True),
    "nested layer": (
        lambda: end(L.Dense(4), keras.Sequential([keras.Input((4,)), L.Softmax()])),
        True,
    ),
    "then nothing": (
        lambda: end(
            L.Dense(4, activation="softmax"),
            L.Dropout(0.1),
            L.Activation("linear"),
            L.Reshape((1, 4)),
            L.Flatten(),
        ),
        True,
    ),
    "averaged": (averaged, False),
}


@pytest.mark.parametrize("name", sorted(HEADS))
def test_the_softmax_of_the_logits_are_the_networks_probabilities(
    name: str, tmp_path: Path
) -> None:
    build, taken_off = HEADS[name]
    info, logits, expected = shown(save(build(), tmp_path / "x.keras"))
    assert (info.head.outputs, info.head.taken_off) == ("probabilities", taken_off)
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-5)


def test_logits_are_left_alone(tmp_path: Path) -> None:
    path = save(end(L.Dense(4, activation="log_softmax"), L.Dropout(0.1)), tmp_path / "x.keras")
    info, logits, expected = shown(path)
    assert info.head.given == "logits"
    np.testing.assert_allclose(softmax(logits), softmax(expected.numpy()), atol=1e-6)


def test_one_sigmoid_stands_for_two_classes(tmp_path: Path) -> None:
    path = save(end(L.Dense(1, activation="sigmoid"), L.Dropout(0.1)), tmp_path / "x.keras")
    info, logits, second = shown(path)
    assert info.classes == 2
    expected = np.concatenate([1 - second, second], axis=1)
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)


def test_sigmoids_of_several_labels_keep_their_logits_unless_they_are_said_to_be_shares(
    tmp_path: Path,
) -> None:
    path = save(end(L.Dense(4, activation="sigmoid")), tmp_path / "x.keras")
    info, logits, theirs = shown(path)
    assert info.head.by_label
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), theirs, atol=1e-6)
    _, logits, theirs = shown(path, outputs="probabilities")
    expected = theirs / theirs.numpy().sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)


def test_channels_may_come_first(tmp_path: Path) -> None:
    """A row of green pixels, which has no other place in another order of the axes."""
    first: Any = {"data_format": "channels_first"}
    saved = filled(
        model_of(
            (3, 16, 20),
            L.Conv2D(4, 3, **first),
            L.BatchNormalization(axis=1),
            L.MaxPooling2D(**first),
            L.GlobalAveragePooling2D(**first),
            L.Dense(5),
        )
    )
    images = np.zeros((1, 16, 20, 3), np.float32)
    images[0, 5, :, 1] = 1
    given = np.zeros((1, 3, 16, 20), np.float32)
    given[0, 1, 5, :] = 1
    try:
        expected = saved(given)
    except tf.errors.UnimplementedError:
        pytest.skip("TensorFlow computes with channels last only on this processor")
    info = load_archive(save(saved, tmp_path / "x.keras"))
    model = info.model
    assert info.input_shape == (16, 20, 3)
    np.testing.assert_allclose(model(images), expected, rtol=1e-5, atol=1e-6)


def test_a_model_saved_in_half_precision_computes_in_the_wished_one(tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        path = save(user_cnn(), tmp_path / "x.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    for precision in ("float32", "bfloat16"):
        model = load_archive(path, precision=precision).model
        (network,) = (layer for layer in model.layers if isinstance(layer, keras.Model))
        assert precision in {layer.compute_dtype for layer in network.layers}
        assert "float16" not in {layer.compute_dtype for layer in network.layers}
        assert model(pixels((16, 16, 1))).dtype == "float32"


def two_inputs() -> Any:
    ends = [keras.Input((16, 16, 1)) for _ in range(2)]
    return keras.Model(ends, L.Dense(3)(L.Flatten()(L.Add()(ends))))


def model_of(shape: tuple[int | None, ...], *layers: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *layers])


UNFIT: dict[str, tuple[Callable[[], Any], str]] = {
    "two inputs": (two_inputs, "takes more than one input"),
    "rows": (
        lambda: model_of((16, 1, 1), L.Flatten(), L.Reshape((2, 8)), L.Softmax(), L.Flatten()),
        "a softmax for each of 2 rows of 8 numbers",
    ),
    "any size": (
        lambda: model_of((None, None, 3), L.GlobalAveragePooling2D(), L.Dense(3)),
        "takes inputs of ?x?x3",
    ),
    "no images": (lambda: model_of((20,), L.Dense(3)), "takes inputs of 20"),
    "a map": (lambda: model_of((16, 16, 1), L.Conv2D(3, 3)), "not a number per class"),
}


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_what_is_no_classifier_of_images_is_refused(name: str, tmp_path: Path) -> None:
    build, says = UNFIT[name]
    path = save(build(), tmp_path / "x.keras")
    with pytest.raises(CheckpointError) as caught:
        load_archive(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"'{path}'")


def two_heads(names: bool) -> Any:
    """Heads of one size, so that only their names tell them apart."""
    x = keras.Input((16, 16, 1))
    y = L.GlobalAveragePooling2D()(L.Conv2D(3, 5)(x))
    heads = {name: L.Dense(4, activation="softmax", name=name)(y) for name in ("young", "happy")}
    return examples.filled(keras.Model(x, heads if names else list(heads.values())))


@pytest.mark.parametrize(("names", "chosen"), [(False, "happy"), (True, "young")])
def test_one_of_several_outputs_is_the_classifier(names: bool, chosen: str, tmp_path: Path) -> None:
    path = save(two_heads(names), tmp_path / "x.keras")
    info, logits, theirs = shown(path, output_name=chosen)
    expected = theirs[chosen] if names else theirs[["young", "happy"].index(chosen)]
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-6)
    assert info.outputs == {"young": "4", "happy": "4"}
    assert info.head.taken_off


def test_a_network_of_ours_is_saved_as_plain_keras_and_read_back(tmp_path: Path) -> None:
    from kextract.models.architectures import build_model

    saved = examples.filled(build_model("tiny", (16, 16, 3), 4))
    path = save(saved, tmp_path / "x.keras")
    config = members_of(path.read_bytes())["config.json"]
    assert b"kextract" not in config
    images = pixels((16, 16, 3))
    expected = saved(images, training=False).numpy()
    plain = keras.models.load_model(path)
    scale = np.abs(expected).max()
    for model in (plain, load_archive(path).model):
        found = model(images, training=False).numpy()
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-5)


def test_a_network_that_an_earlier_kextract_saved_is_read(tmp_path: Path) -> None:
    path = save(examples.small(), tmp_path / "x.keras")
    expected = load_archive(path).sha256

    def as_ours(config: Any) -> None:
        own = {"module": "kextract.models.batch_norm", "registered_name": "BatchNormalization"}
        examples.layer(config, "norm").update(own)

    path.write_bytes(examples.with_config(path.read_bytes(), as_ours))
    assert load_archive(path).sha256 == expected


def some(name: str) -> Any:
    """Make a layer of this class, with as few options as it needs."""
    factors: tuple[tuple[Any, ...], ...] = ((), (0.5,), (0.5, 0.5), (4,))
    for options in factors:
        with contextlib.suppress(TypeError, ValueError):
            return getattr(L, name)(*options)
    raise AssertionError(name)


def test_layers_that_work_in_training_only_are_left_out(tmp_path: Path) -> None:
    image = keras.Input((16, 16, 3))
    x = image
    for name in sorted(RANDOM_LAYERS):
        x = some(name)(x)
    saved = examples.filled(keras.Model(image, L.Dense(3)(L.Flatten()(x))))
    images = np.abs(pixels((16, 16, 3)))
    found = load_archive(save(saved, tmp_path / "x.keras")).model(images).numpy()
    np.testing.assert_allclose(found, saved(images, training=False).numpy(), atol=1e-4)


def logits_of(model: Any, images: Any) -> Any:
    """Give what the model's outputs are made of, by its own last layer."""
    last = [layer for layer in model.layers if getattr(layer, "activation", None)][-1]
    kind, last.activation = last.activation, keras.activations.linear
    with warnings.catch_warnings():
        # A list of one input is to be given as a list.
        warnings.simplefilter("ignore")
        outputs = model(images.reshape(-1, *model.input_shape[1:]), training=False)
    outputs = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
    outputs = outputs[0] if isinstance(outputs, list) else outputs
    last.activation = kind
    found = np.asarray(outputs, np.float64)
    return found if found.shape[1] > 1 else np.concatenate([0 * found, found], axis=1)


@pytest.mark.parametrize(
    ("name", "ending"), [*((name, ".keras") for name in sorted(TUTORIALS)), ("first_steps", ".h5")]
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_tutorials_network_gives_the_logits_that_it_gives_in_keras(
    name: str, ending: str, tmp_path: Path
) -> None:
    keras.utils.clear_session()
    saved = filled(TUTORIALS[name]())
    path = save(saved, tmp_path / f"model{ending}")
    info = load_archive(path, input_range=Preprocessing(0, 255))
    model = info.model
    images = np.random.default_rng(0).uniform(-1, 1, (3, *info.input_shape)).astype(np.float32)
    expected = logits_of(saved, (images + 1) * 127.5)
    np.testing.assert_allclose(model(images).numpy(), expected, rtol=1e-4, atol=1e-3)
    assert np.ptp(expected, axis=0).max() > 1e-3


pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
Build = Callable[..., Any]
made = keras.applications

NETWORKS: dict[str, tuple[Build, int]] = {
    "MobileNet": (made.MobileNet, 224),
    "MobileNetV2": (made.MobileNetV2, 224),
    "MobileNetV3Small": (made.MobileNetV3Small, 224),
    "EfficientNetB0": (made.EfficientNetB0, 224),
    "EfficientNetV2B0": (made.EfficientNetV2B0, 64),
    "ResNet50": (made.ResNet50, 224),
    "VGG16": (made.VGG16, 224),
    "DenseNet121": (made.DenseNet121, 32),
    "NASNetMobile": (made.NASNetMobile, 32),
    "InceptionV3": (made.InceptionV3, 75),
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_network_of_keras_applications_is_read(name: str, ending: str, tmp_path: Path) -> None:
    build, side = NETWORKS[name]
    keras.utils.set_random_seed(0)
    saved = build(input_shape=(side, side, 3), weights=None, classes=5)
    info = load_archive(save(saved, tmp_path / f"x{ending}"))
    model = info.model
    assert info.network.count_params() == saved.count_params()
    images = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
    expected = np.log(saved(images, training=False).numpy())
    logits = model(images).numpy()
    found = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(found, expected, atol=1e-4)
