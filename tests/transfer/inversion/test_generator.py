from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kextract.transfer.inversion.generator import Doubling, build_generator, latent_codes

CLASSES, LATENT = 3, 5
SEED = tf.constant([1, 2])


def generator(shape: tuple[int, int, int] = (16, 16, 1), **changes: Any) -> Any:
    options = {"latent_size": LATENT, "channels": 2, "precision": "float32", "seed": 0, **changes}
    return build_generator(shape, CLASSES, **options)


def codes(labels: Any, seed: tf.Tensor = SEED) -> Any:
    return latent_codes(tf.constant(labels), LATENT, CLASSES, seed)


def drawn(model: Any, labels: Any = (0, 1, 2, 0)) -> Any:
    return model(codes(list(labels)), training=True).numpy()


@pytest.mark.parametrize(
    "shape",
    [(28, 28, 1), (32, 32, 3), (17, 30, 1), (30, 17, 3), (16, 16, 1), (19, 21, 3)],
    ids=str,
)
def test_images_have_the_shape_that_was_asked_for(shape: tuple[int, int, int]) -> None:
    model = generator(shape)
    assert model.output_shape == (None, *shape)
    assert drawn(model).shape == (4, *shape)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images_are_float32_in_the_range_of_pixels(precision: str) -> None:
    images = drawn(generator(precision=precision))
    assert images.dtype == np.float32
    assert (np.abs(images) <= 1).all()
    assert images.std() > 0.01


def test_bfloat16_is_used_between_codes_and_images() -> None:
    policies = {layer.compute_dtype for layer in generator(precision="bfloat16").layers}
    assert "bfloat16" in policies


def test_variables_are_float32_whatever_is_computed_in() -> None:
    assert {str(v.dtype) for v in generator(precision="bfloat16").variables} == {"float32"}


def test_the_seed_decides_the_weights() -> None:
    first, same, other = (generator(seed=seed).get_weights() for seed in (4, 4, 5))
    assert [value.tobytes() for value in first] == [value.tobytes() for value in same]
    assert any((one != another).any() for one, another in zip(first, other, strict=True))


def test_the_width_is_that_of_the_last_hidden_layer() -> None:
    last_kernel = generator(channels=6).layers[-2].get_weights()[0]
    assert last_kernel.shape == (3, 3, 6, 1)


def test_the_same_noise_for_another_class_is_another_image() -> None:
    model = generator()
    first, second = (model(codes([label] * 2), training=False).numpy() for label in (0, 1))
    assert (np.abs(first - second) > 1e-6).mean() > 0.5


def test_every_pixel_depends_on_the_code() -> None:
    images = drawn(generator((17, 30, 3)), labels=[0] * 8)
    assert (images.std(axis=0) > 0).all()


def test_a_code_ends_with_its_class() -> None:
    np.testing.assert_array_equal(codes([2, 0])[:, LATENT:], [[0, 0, 1], [1, 0, 0]])


def test_the_noise_of_a_code_is_normal() -> None:
    """20,000 draws: mean 0 and deviation 1, give or take four standard errors."""
    noise = codes([0] * 4000).numpy()[:, :LATENT]
    assert abs(noise.mean()) < 4 / 20_000**0.5
    assert abs(noise.std() - 1) < 4 / 40_000**0.5


def test_the_noise_follows_from_the_seed_alone() -> None:
    first, same = codes([0, 1]), codes([2, 2])
    other = codes([0, 1], seed=tf.constant([1, 3]))
    np.testing.assert_array_equal(first[:, :LATENT], same[:, :LATENT])
    assert (first[:, :LATENT].numpy() != other[:, :LATENT].numpy()).all()


def test_a_doubling_is_kerass_upsampling_with_its_gradient() -> None:
    random = np.random.default_rng(0)
    features = tf.constant(random.normal(size=(2, 3, 4, 5)).astype(np.float32))
    of_doubled = tf.constant(random.normal(size=(2, 6, 8, 5)).astype(np.float32))
    found = []
    for layer in (Doubling(), keras.layers.UpSampling2D()):
        with tf.GradientTape() as tape:
            tape.watch(features)
            doubled = layer(features)
        found.append((doubled, tape.gradient(doubled, features, of_doubled)))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)
