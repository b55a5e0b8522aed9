"""Writes `files/`: small classifiers, saved by Keras 2 itself. Run by hand, never by the tests.

    python write_keras_2.py tf_keras            # in an environment with tf_keras 2.20.1
    python write_keras_2.py tensorflow.keras    # in one with TensorFlow 2.15 and its Keras 2.15

Beside each file goes what the network answered to `pixels`, in `expected.npz`.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILES = Path(__file__).parent / "files"
EXPECTED = FILES / "expected.npz"
SHAPE = (8, 8, 3)


def pixels(count: int = 2) -> NDArray[np.uint8]:
    """Give images of 0 to 250 that no two libraries make differently."""
    numbers = np.arange(count * np.prod(SHAPE)) * 37 % 251
    return numbers.reshape(count, *SHAPE).astype(np.uint8)


def slashes(k: Any) -> Any:
    """Names and arithmetic of MobileNetV3: `Conv/BatchNorm`, a hard swish of three operations."""
    image = k.Input(SHAPE)
    x = k.layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    x = k.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="Conv")(x)
    x = k.layers.BatchNormalization(name="Conv/BatchNorm")(x)
    x = k.layers.Multiply()([x, k.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
    y = k.layers.ZeroPadding2D(1, name="expanded_conv/depthwise/pad")(x)
    y = k.layers.DepthwiseConv2D(3, use_bias=False, name="expanded_conv/depthwise")(y)
    y = k.layers.BatchNormalization(name="expanded_conv/depthwise/BatchNorm")(y)
    x = k.layers.Add(name="expanded_conv/Add")([x, y])
    x = k.layers.Conv2D(3, 1, name="Logits")(k.layers.GlobalAveragePooling2D(keepdims=True)(x))
    return k.Model(image, k.layers.Softmax(name="Predictions/Softmax")(k.layers.Flatten()(x)))


def _base(k: Any) -> Any:
    """Convolutions of one shape, named as those of DenseNet121."""
    image = k.Input(SHAPE)
    x = image
    for number in (1, 2):
        x = k.layers.Conv2D(3, 1, use_bias=False, name=f"conv{number}/conv")(x)
        x = k.layers.BatchNormalization(scale=False, name=f"conv{number}/bn")(x)
    return k.Model(image, x, name="base")


def fine_tuned(k: Any) -> Any:
    """A network with slashes inside a Sequential, its first half frozen."""
    base = _base(k)
    for layer in base.layers[:3]:
        layer.trainable = False
    scaling = k.layers.Rescaling(1.0 / 255, input_shape=SHAPE)
    return k.Sequential([scaling, base, k.layers.GlobalAveragePooling2D(), k.layers.Dense(3)])


def transferred(k: Any) -> Any:
    """A frozen network inside a functional one, behind the preprocessing of its application."""
    base = _base(k)
    base.trainable = False
    image = k.Input(SHAPE)
    x = base(k.applications.mobilenet_v2.preprocess_input(image), training=False)
    x = k.layers.Dropout(0.2)(k.layers.GlobalMaxPooling2D()(x))
    return k.Model(image, k.layers.Dense(3)(x))


def blue_first(k: Any) -> Any:
    """Channels turned round and their means taken away, as ResNet50 and VGG16 do."""
    image = k.Input(SHAPE)
    x = k.layers.Conv2D(3, 3)(k.applications.resnet50.preprocess_input(image))
    return k.Model(image, k.layers.Dense(3)(k.layers.GlobalAveragePooling2D()(x)))


def convolutions(k: Any) -> Any:
    """Layers whose options or weights Keras 2 names otherwise."""
    image = k.Input(SHAPE)
    x = k.layers.Rescaling(1 / 255.0)(image)
    x = k.layers.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", activation="relu")(x)
    x = k.layers.BatchNormalization(scale=False, epsilon=1e-5)(x)
    x = k.layers.LeakyReLU(alpha=0.2)(x)
    x = k.layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = k.layers.PReLU(shared_axes=[1, 2])(x)
    x = k.layers.Conv2DTranspose(4, 3, strides=2, padding="same")(x)
    x = k.layers.ThresholdedReLU(theta=0.05)(x)
    x = k.layers.BatchNormalization(center=False)(x)
    return k.Model(image, k.layers.Dense(3)(k.layers.GlobalAveragePooling2D()(x)))


def activations(k: Any) -> Any:
    """Functions of TensorFlow, a layer and a function of one's own as activations."""
    import tensorflow as tf

    def relu6(x: Any) -> Any:
        return k.backend.relu(x, max_value=6)

    image = k.Input(SHAPE)
    x = k.layers.Conv2D(3, 3, activation=tf.nn.swish)(k.layers.Rescaling(1 / 255.0)(image))
    x = k.layers.Activation(relu6)(x)
    x = k.layers.Conv2D(3, 3, activation=k.layers.LeakyReLU(alpha=0.1))(x)
    x = k.layers.Activation("gelu")(k.layers.Flatten()(x))
    return k.Model(image, k.layers.Dense(3, activation=tf.nn.softmax)(x))


def trained(k: Any) -> Any:
    """A Sequential without an input layer, with the state of an optimizer and of metrics."""
    model = k.Sequential(
        [
            k.layers.Rescaling(1.0 / 255),
            k.layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
            k.layers.BatchNormalization(),
            k.layers.MaxPooling2D(),
            k.layers.Dropout(0.5),
            k.layers.Flatten(),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pixels(30).astype("float32"), np.arange(30) % 3, verbose=0)
    return model


def attending(k: Any) -> Any:
    """A block of a vision transformer."""
    image = k.Input(SHAPE)
    x = k.layers.Conv2D(6, 4, strides=4)(k.layers.Rescaling(1 / 255.0)(image))
    x = k.layers.Reshape((4, 6))(x)
    y = k.layers.LayerNormalization(epsilon=1e-6)(x)
    x = k.layers.Add()([x, k.layers.MultiHeadAttention(2, 3)(y, y)])
    return k.Model(image, k.layers.Dense(3)(k.layers.GlobalAveragePooling1D()(x)))


def augmented(k: Any) -> Any:
    """Random layers in a model of their own, adapted normalization, other sizes."""
    image = k.Input(SHAPE)
    chance = [k.layers.RandomFlip("horizontal"), k.layers.RandomRotation(0.1)]
    normalization = k.layers.Normalization()
    normalization.adapt(pixels(30).astype("float32"))
    x = normalization(k.Sequential(chance)(image))
    x = k.layers.CenterCrop(9, 9)(k.layers.Resizing(11, 11)(x))
    return k.Model(image, k.layers.Dense(3)(k.layers.Flatten()(x)))


def arithmetic(k: Any) -> Any:
    """Functions of TensorFlow between the layers, with options and with numbers first."""
    import tensorflow as tf

    image = k.Input(SHAPE)
    x = tf.cast(image, tf.float32) / 255.0 - [0.1, 0.2, 0.3]
    x = tf.concat([x, tf.nn.gelu(x)], axis=-1)
    x = 1.0 - tf.clip_by_value(x, 0.0, 0.5)
    x = tf.transpose(tf.reshape(x, (-1, 64, 6)), (0, 2, 1))
    x = tf.squeeze(tf.expand_dims(x, -1), -1)[:, :, 1:33]
    x = tf.concat([tf.reduce_mean(x, axis=2), tf.reduce_max(x, axis=2)], axis=1)
    return k.Model(image, k.layers.Dense(3)(x))


WRITTEN: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "slashes.h5": ("tf_keras", slashes),
    "slashes.keras": ("tensorflow.keras", slashes),
    "fine_tuned.h5": ("tensorflow.keras", fine_tuned),
    "transferred.keras": ("tf_keras", transferred),
    "blue_first.h5": ("tf_keras", blue_first),
    "convolutions.h5": ("tensorflow.keras", convolutions),
    "activations.h5": ("tf_keras", activations),
    "trained.keras": ("tensorflow.keras", trained),
    "attending.keras": ("tf_keras", attending),
    "augmented.h5": ("tensorflow.keras", augmented),
    "arithmetic.h5": ("tf_keras", arithmetic),
}
"""What each file was written by, and what is in it."""


def _fill(model: Any) -> None:
    """Give every layer weights that show a mix-up: small, and positive as variances are."""
    random = np.random.default_rng(1)
    for variable in model.weights:
        low = 0.5 if "variance" in variable.name or "gamma" in variable.name else -0.5
        variable.assign(random.uniform(low, low + 1, variable.shape))


def main(program: str) -> None:
    """Write the files of one of the two programs."""
    k = importlib.import_module("tf_keras") if program == "tf_keras" else _keras_of_tensorflow()
    expected = dict(np.load(EXPECTED)) if EXPECTED.exists() else {}
    for name, (writer, build) in WRITTEN.items():
        if writer != program:
            continue
        k.backend.clear_session()
        k.utils.set_random_seed(0)
        model = build(k)
        if build not in (trained, augmented):
            _fill(model)
        expected[name] = model(pixels().astype("float32"), training=False).numpy()
        model.save(FILES / name)
    np.savez(EXPECTED, **{name: expected[name] for name in sorted(expected)})


def _keras_of_tensorflow() -> Any:
    import tensorflow as tf

    return tf.keras


if __name__ == "__main__":
    main(sys.argv[1])
