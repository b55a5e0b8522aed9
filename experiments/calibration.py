"""What int8 loses on test images, by the images that it was calibrated on.

    uv run python experiments/calibration.py CHECKPOINT DATASET [SEED]

One line of JSON for each kind of images, 512 of each: what `kextract export --int8` makes up, half
of it synthesized from the network and half procedural; synthesized ones, real ones, procedural ones
that the network is sure of, and clipped Gaussian noise. DATASET is a name, an .npz file or a
folder. Files are written to a temporary folder.
"""

import json
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from kextract import load, runtime
from kextract.config import DistillConfig, SynthesisConfig
from kextract.datasets.images import unscale
from kextract.datasets.loading import load_dataset
from kextract.exports.formats import ExportTarget
from kextract.records import Event

COUNT = 512


def main(checkpoint: str, dataset: str, seed: int = 0) -> None:
    """Calibrate on each kind of images and print what came of it."""
    model = load(checkpoint)
    runtime.start()
    from kextract.exports.calibration import calibration_images, procedural_images
    from kextract.exports.exporting import CheckImages, export_model
    from kextract.methods.base import MethodContext
    from kextract.methods.inversion import synthesize_classes
    from kextract.models.batch_norm import frozen

    folder = os.environ.get("KEXTRACT_DATA")
    data = load_dataset(dataset, Path(folder) if folder else None)
    assert data.x_train is not None and data.x_test is not None, "the data set has no images"
    config = DistillConfig(method="inversion", seed=seed, precision="float32")
    context = MethodContext(frozen(model, batch_statistics=False), model, None, config)
    random = np.random.default_rng(seed)
    real = data.x_train[random.permutation(len(data.x_train))[:COUNT]]
    noise = random.normal(size=(COUNT, *data.input_shape)).astype(np.float32)
    steps = SynthesisConfig().steps
    drawn = finished(synthesize_classes(context, steps, -(-COUNT // context.classes))).images
    kinds = {
        "made up": finished(calibration_images(context, COUNT, steps=steps)),
        "drawn": drawn[random.permutation(len(drawn))[:COUNT]],
        "real": real,
        "procedural": finished(procedural_images(context, COUNT)),
        "noise": unscale(noise),
    }
    checks = [CheckImages("test", data.x_test, data.y_test)]
    target = ExportTarget("tflite", "int8", least_agreement=0.0)
    for kind, images in kinds.items():
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "int8.tflite"
            report = export_model(model, path, target, checks=checks, calibration=images)
        (test,) = report.comparisons
        found = {
            "calibrated on": kind,
            "float32": test.checkpoint_accuracy,
            "int8": test.accuracy,
            "agreement": test.agreement,
            "bytes": report.bytes,
        }
        print(json.dumps(found), flush=True)


def finished(drawing: Generator[Event, None, Any]) -> Any:
    """Return what a drawing returns, without showing its progress."""
    while True:
        try:
            next(drawing)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(word) for word in sys.argv[3:]))
