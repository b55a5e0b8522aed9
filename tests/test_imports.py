import subprocess
import sys
from pathlib import Path

from tests.datasets.images import write_sound_folder

PROGRAM = """
import sys
import kextract.display, kextract.reports
from kextract.datasets.loading import load_dataset
from kextract.datasets.transfer_images import load_transfer_images
assert len(load_dataset(sys.argv[1]).x_train) == 16
assert len(load_transfer_images(sys.argv[1], None, (20, 20, 1))) == 16
print(*sys.modules)
"""


def test_displays_reports_and_folders_of_images_do_not_wait_for_tensorflow(tmp_path: Path) -> None:
    write_sound_folder(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras", "h5py"} & set(done.stdout.split())


def test_the_process_that_tries_model_files_does_not_wait_for_tensorflow() -> None:
    """Its processor time is limited, and starting TensorFlow takes more than all of it."""
    program = "import sys, kextract.teachers.trial; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras"} & set(done.stdout.split())


def test_reading_a_tflite_file_writes_nothing_that_tensorflow_says_of_itself(
    tmp_path: Path,
) -> None:
    """The description of the format is in TensorFlow, whichever file is the first to need it."""
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    program = (
        "import sys, pathlib; from kextract.errors import Refused;"
        " from kextract.foreign.tflite.loading import load_graph\n"
        "try: load_graph(pathlib.Path(sys.argv[1]))\nexcept Refused: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(broken)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("refused\n", "")
