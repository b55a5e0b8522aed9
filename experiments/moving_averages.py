"""What the 2020 code did to its own teacher: it let noise overwrite the moving averages.

KEXTRACT_DATA=folder uv run python experiments/moving_averages.py CHECKPOINT DATASET [STEPS]

Crafts adversarial noise by the article's recipe with the teacher in training mode, batch
normalization included, and prints the teacher's test accuracy after each batch. CHECKPOINT is a
ResNet-11, of kextract or of 2020; it is not written to.
"""

import os
import sys
from pathlib import Path

from kextract import runtime
from kextract.config import DistillConfig
from kextract.config.shared import ExternalModelOptions, Machine
from kextract.runs.opening import open_teacher


def main() -> None:
    """Print a table of steps and accuracies."""
    path, dataset = Path(sys.argv[1]), sys.argv[2]
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    folder = os.environ.get("KEXTRACT_DATA")
    opened = open_teacher(
        path,
        ExternalModelOptions(model=None if _says_what_it_is(path) else "resnet11"),
        Machine(data_dir=Path(folder) if folder else None),
        dataset=dataset,
        needs_data=True,
    )
    runtime.start()
    from kextract.methods.base import MethodContext
    from kextract.methods.noise import AdversarialNoise
    from kextract.storage.checkpoint import load_model
    from kextract.training.evaluation import Predictor, score

    info, data = opened.info, opened.data
    assert data is not None and data.x_test is not None and data.y_test is not None
    teacher, _ = load_model(path, info, precision="float32")
    predictor = Predictor(teacher)
    config = DistillConfig(method="adversarial", recipe="article", steps_per_epoch=steps, seed=0)
    noise = AdversarialNoise(
        MethodContext(lambda images: teacher(images, training=True), teacher, None, config)
    )
    print("| steps of 2020 | the teacher's test accuracy |", "| ---: | ---: |", sep="\n")
    for step in range(steps + 1):
        if step:
            list(noise.refresh(1, step - 1))
            teacher(noise.batch().images, training=True)
        accuracy = score(predictor.logits(data.x_test), data.y_test).accuracy
        print(f"| {step} | {accuracy:.4f} |", flush=True)


def _says_what_it_is(path: Path) -> bool:
    from kextract.storage import read_info

    return read_info(path) is not None


if __name__ == "__main__":
    main()
