"""Pictures of the README and the docs.

tmux capture-pane -e -p | uv run python experiments/pictures.py table docs/images/live-table.svg
uv run python experiments/pictures.py noise checkpoints/mnist-resnet11.weights.h5 \
    docs/images/adversarial-noise.png
"""

import sys
from pathlib import Path

import numpy as np
from rich.ansi import AnsiDecoder
from rich.console import Console

from kextract import runtime
from kextract.runs.synthesis import image_grid
from kextract.storage import read_info

ZOOM = 3


def draw_table(target: Path) -> None:
    """Turn a captured terminal with its colours, on standard input, into an SVG."""
    lines = list(AnsiDecoder().decode(sys.stdin.read().rstrip("\n")))
    width = max(len(line) for line in lines) + 2
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True)
        for line in lines:
            console.print(line, no_wrap=True)
    target.write_text(console.export_svg(title="kextract distill"))


def draw_noise(checkpoint: Path, target: Path) -> None:
    """Draw random noise, the same noise crafted for each class, and the difference."""
    info = read_info(checkpoint)
    assert info is not None, "a checkpoint of kextract"
    runtime.start()
    import tensorflow as tf

    from kextract.datasets.images import unscale
    from kextract.methods.noise import Crafter, CraftingRules, clipped_noise
    from kextract.models.batch_norm import frozen
    from kextract.storage.checkpoint import load_model

    teacher = frozen(load_model(checkpoint, info, precision="float32")[0], batch_statistics=False)
    noise = clipped_noise(np.random.default_rng(0), (info.classes, *info.input_shape))
    craft = Crafter(teacher, CraftingRules(1e-2, 100, 1e-5), info.classes)
    crafted, _, confidence = craft(noise, tf.range(info.classes), tf.constant(0))
    print("confidence:", np.round(confidence.numpy(), 4))
    # What crafting moved is too small to be seen: it gets a row of its own, three times as large.
    change = 3 * (crafted.numpy() - noise)
    rows = unscale(np.concatenate([noise, crafted.numpy(), change]))
    grid = image_grid(rows, columns=info.classes, zoom=ZOOM)
    target.write_bytes(tf.io.encode_png(grid).numpy())


if __name__ == "__main__":
    if sys.argv[1] == "table":
        draw_table(Path(sys.argv[2]))
    else:
        draw_noise(Path(sys.argv[2]), Path(sys.argv[3]))
