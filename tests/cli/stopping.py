"""Runs the real program and stops it on its way."""

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.program import Finished


class Running:
    """A run of the program that has been started; ended, if need be, when the block is left."""

    def __init__(self, *words: object, cwd: Path, **settings: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KEXTRACT_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kextract", *(str(word) for word in words)],
            cwd=cwd,
            env=environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._rows = ""

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def wait_for_row(self, epoch: int) -> None:
        """Wait until the plain row of an epoch is printed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._rows += line
            if line.split()[:1] == [str(epoch)]:
                return
        raise AssertionError(f"ended before epoch {epoch}: {self.process.communicate()[1]}")

    def end(self) -> Finished:
        """Wait for the run to end."""
        stdout, stderr = self.process.communicate(timeout=300)
        return Finished(self.process.returncode, self._rows + stdout, stderr)

    def stop(self, number: int) -> Finished:
        """Send a signal and wait for the run to end."""
        self.process.send_signal(number)
        return self.end()


def epochs_of(stdout: str) -> list[int]:
    """Return the epochs whose rows were printed."""
    first_words = (line.split()[0] for line in stdout.splitlines() if line.strip())
    return [int(word) for word in first_words if word.isdigit()]
