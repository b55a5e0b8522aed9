"""Runs the real program in a process of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finished:
    """What a run of the program left behind."""

    code: int
    stdout: str
    stderr: str

    def refusal(self) -> str:
        """Return the one line of a refused request, after checking that it is one."""
        assert self.code == 2, f"exit code {self.code}: {self.stderr}"
        assert self.stdout == ""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("kextract: ")
        return lines[0]


def kextract(*words: object, cwd: Path | None = None, **environment: str) -> Finished:
    """Run `kextract` with these words; the environment's own KEXTRACT_ variables are left out."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEXTRACT_")}
    process = subprocess.run(
        [sys.executable, "-m", "kextract", *(str(word) for word in words)],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Finished(process.returncode, process.stdout, process.stderr)
