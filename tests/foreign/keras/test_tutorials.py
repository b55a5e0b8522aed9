"""Classifiers as people write them answer as they do in Keras, from either kind of file."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kextract.foreign.keras import load_archive
from kextract.models.input_range import Preprocessing
from tests.foreign.keras.examples import filled, save
from tests.foreign.keras.tutorials import TUTORIALS


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
