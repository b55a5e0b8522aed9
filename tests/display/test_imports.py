import subprocess
import sys


def test_displays_and_reports_do_not_wait_for_tensorflow() -> None:
    program = "import sys, kextract.display, kextract.reports; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras", "h5py"} & set(done.stdout.split())
