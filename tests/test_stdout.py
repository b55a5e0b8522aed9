"""Programs whose stdout cannot be written to; run as programs, for it is their own that fails."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from kextract.stdout import usable_stdout
with usable_stdout():
    {body}
"""
WRITES = {
    "a row": "print('row')",
    "text without an end": "sys.stdout.write('x' * 100_000)",
    "a row before the program exits": "print('row', end=''); sys.exit(3)",
}
FULL = Path("/dev/full")


def run(body: str, *redirect: str) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-c", PROGRAM.format(body=body)]
    command = ["sh", "-c", f'"$0" "$@" {" ".join(redirect)}', *program]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("body", WRITES.values(), ids=WRITES)
def test_a_full_disk_ends_in_one_line(body: str) -> None:
    done = run(body, f">{FULL}")
    assert done.returncode == 1
    assert done.stderr == "kextract: cannot write to stdout: No space left on device\n"


def test_a_closed_stdout_ends_in_one_line_before_anything_is_done() -> None:
    done = run("sys.stderr.write('done')", ">&-")
    assert done.returncode == 1
    assert done.stderr == "kextract: stdout is closed: send it to a file, or to /dev/null\n"


SOMEBODY = """
import logging, os, subprocess, sys, threading
from kextract.stdout import results, results_alone, usable_stdout

def called():
    print("print")
    sys.stdout.write("write\\n")
    sys.stdout.buffer.write(b"buffer\\n")
    sys.stdout.flush()
    os.write(1, b"descriptor\\n")
    subprocess.run(["echo", "child"])
    log.warning("log")

with usable_stdout():
    print("before")
    with results_alone():
        print("import")
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        log = logging.getLogger()
    thread = threading.Thread(target=called)
    thread.start()
    thread.join()
    print("between")
    os.write(1, b"descriptor of the program\\n")
    thread = threading.Thread(target=lambda: print("display", file=results()))
    thread.start()
    thread.join()
print("after")
os.write(1, b"descriptor at last\\n")
"""


def test_what_somebody_s_code_writes_is_no_result() -> None:
    command = [sys.executable, "-u", "-c", SOMEBODY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == [
        *("before", "between", "display", "after", "descriptor at last", ""),
    ]
    assert sorted(done.stderr.split("\n")) == sorted(
        [
            *("import", "print", "write", "buffer", "descriptor", "child", "log"),
            *("descriptor of the program", ""),
        ]
    )
