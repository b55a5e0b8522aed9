"""What does not wait for TensorFlow, or for NumPy: one process does all of it, part after part."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets.images import write_sound_folder
from tests.foreign.keras import examples
from tests.foreign.keras.test_hostile import set_in

TENSORFLOW = ("tensorflow", "keras")
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "names of functions": (
        "import kextract; assert {'distill', 'load', 'Run'} <= set(dir(kextract))",
        ("numpy", *TENSORFLOW),
    ),
    "names of data sets": ("from kextract.datasets import *; list(DATASETS)", ("numpy",)),
    "choosing a method": ("import kextract.methods.registry", TENSORFLOW),
    "folders of images": (
        "from kextract.datasets.loading import load_dataset\n"
        "from kextract.datasets.transfer_images import load_transfer_images\n"
        "assert len(load_dataset('photos').x_train) == 16\n"
        "assert len(load_transfer_images('photos', None, (20, 20, 1))) == 16",
        (*TENSORFLOW, "h5py"),
    ),
    "displays and reports": ("import kextract.display, kextract.reports", (*TENSORFLOW, "h5py")),
    "what kind of file it is": (
        "from kextract.storage.opening import examine; examine(Path('nowhere'))",
        TENSORFLOW,
    ),
    # Its processor time is limited, and starting TensorFlow takes more than all of it.
    "the process that tries model files": ("import kextract.teachers.opening", TENSORFLOW),
    "what a checkpoint says": (
        "from kextract.storage import read_info; assert read_info(Path(sys.argv[1])).classes == 10",
        TENSORFLOW,
    ),
    # What is imported before `runtime.start` writes its log, and takes its own settings.
    "what commands do before they start it": (
        "import importlib, pkgutil, kextract.runs\n"
        "for module in pkgutil.iter_modules(kextract.runs.__path__, 'kextract.runs.'):\n"
        "    importlib.import_module(module.name)",
        TENSORFLOW,
    ),
    "refusing a foreign class": (
        "from kextract.foreign.keras import load_archive\n"
        "from kextract.errors import CheckpointError\n"
        "try: load_archive(Path('evil.keras'))\n"
        "except CheckpointError: pass\n"
        "else: raise AssertionError('not refused')",
        TENSORFLOW,
    ),
}
PROGRAM = f"""
import json, sys
from pathlib import Path
loaded = {{}}
for name, (code, _) in {PARTS!r}.items():
    exec(code)
    loaded[name] = sorted(sys.modules)
print(json.dumps(loaded))
"""
CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "strokes-resnet11.weights.h5"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, tensorflow: object) -> dict[str, list[str]]:
    """The modules that were there after each part."""
    folder = tmp_path_factory.mktemp("imports")
    sound = examples.save(examples.small("softmax"), folder / "sound.keras").read_bytes()
    write_sound_folder(folder / "photos")
    evil = set_in("flat", module="os", class_name="system")(sound)
    (folder / "evil.keras").write_bytes(evil)
    command = [sys.executable, "-c", PROGRAM, str(CHECKPOINT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_needed_is_not_waited_for(part: str, loaded: dict[str, list[str]]) -> None:
    assert not set(PARTS[part][1]) & set(loaded[part])
