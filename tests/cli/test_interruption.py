"""Ctrl-C, SIGTERM and `kill -9`: what was finished is safe, and a line says how to go on."""

import os
import pty
import random
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kextract.records import EpochRecord
from kextract.storage import CheckpointInfo, read_info
from kextract.storage.resume import read_resume, resume_path
from tests.cli.program import Finished, kextract, kextract_acted_on
from tests.cli.stopping import Running, epochs_of
from tests.common import names

TEACH = (
    *("train-teacher", "--dataset", "shades.npz", "--model", "own.keras", "--epochs", "6"),
    *("--batch-size", "8", "--patience", "0", "--schedule", "cosine", "--augment"),
    *("--precision", "float32", "--format", "plain"),
)
DISTILL = (
    *("distill", "teacher.weights.h5", "--method", "adversarial", "--recipe", "article"),
    *("--epochs", "12", "--steps-per-epoch", "12", "--batch-size", "4"),
    *("--noise-iterations", "5", "--precision", "float32", "--format", "plain"),
)

SLOWLY = ("--epochs", "24", "--batch-size", "1")
"""Makes `TEACH` last until it is stopped from outside."""


def written(path: Path) -> CheckpointInfo:
    info = read_info(path)
    assert info is not None
    return info


def without_times(history: tuple[EpochRecord, ...]) -> list[dict[str, Any]]:
    rows = [record.to_dict() for record in history]
    for row in rows:
        row["details"] = {k: v for k, v in row["details"].items() if not k.endswith("seconds")}
        del row["seconds"]
    return rows


def command_in(line: str) -> list[str]:
    """Return the words, after `kextract`, of the command that a line says to go on with."""
    found = re.search(r"to continue: kextract (.*)$", line)
    assert found, line
    return shlex.split(found[1])


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def interrupted(*words: object, cwd: Path) -> Finished:
    """Run the program in this process and press Ctrl-C when the row of epoch 2 is printed."""
    return kextract_acted_on(2, press_ctrl_c, *words, cwd=cwd)


def terminated(*words: object, cwd: Path) -> Finished:
    """Run the program in a process of its own and end it after epoch 2, at whatever it is."""
    with Running(*words, cwd=cwd) as run:
        run.wait_for_row(2)
        return run.stop(signal.SIGTERM)


@pytest.mark.parametrize(
    ("words", "stop", "code", "says"),
    [
        pytest.param(TEACH, interrupted, 130, "interrupted", id="a teacher, Ctrl-C"),
        pytest.param(
            *(DISTILL, terminated, 143, "terminated"),
            id="a student, SIGTERM",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_stopped_run_says_how_to_go_on_and_then_ends_as_if_never_stopped(
    words: tuple[str, ...], stop: Callable[..., Finished], code: int, says: str, bench: Path
) -> None:
    stopped = stop(*words, "--output", "out/my model.weights.h5", cwd=bench)

    output = bench / "out" / "my model.weights.h5"
    assert stopped.code == code, stopped.stderr
    assert names(bench / "out") == [resume_path(output).name]
    history = read_resume(resume_path(output)).snapshot.history
    last = stopped.stderr.splitlines()[-1]
    assert last.startswith(
        f"kextract: {says}; epochs 1 to {history[-1].epoch} are kept; to continue:"
    )
    assert set(epochs_of(stopped.stdout)) <= {record.epoch for record in history}

    resumed = kextract(*command_in(last), cwd=bench)
    whole = kextract(*words, "--output", "out/whole.weights.h5", cwd=bench)

    assert resumed.code == whole.code == 0, resumed.stderr + whole.stderr
    assert names(bench / "out") == ["my model.weights.h5", "whole.weights.h5"]
    one, other = written(output), written(bench / "out" / "whole.weights.h5")
    assert epochs_of(resumed.stdout) == epochs_of(whole.stdout)
    assert epochs_of(whole.stdout) == list(range(len(other.history)))
    assert one.sha256 == other.sha256
    assert without_times(one.history) == without_times(other.history)
    assert one.test == other.test
    assert "--resume" not in one.config["command"]


def until(terminal: int, text: bytes, seconds: float = 120) -> bytes:
    """Read a terminal until it shows the text, or, for no text, until it is hung up."""
    shown, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and not (text and text in shown):
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                more = os.read(terminal, 4096)
            except OSError:  # how Linux says that nobody has the other end any more
                return shown
            if not more:
                return shown
            shown += more
    return shown


STUBBORN = """
import hashlib, sys, threading, time
from kextract.cli import guard

def compute():  # in C, where no handler of Python's is run
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)

def clean_up():
    time.sleep(600)

guard.SAME_PRESS = float(sys.argv[2])
try:
    with guard.stoppable():
        try:
            threading.Timer(0.2, print, ("ready",), {"flush": True}).start()
            compute() if sys.argv[1] == "computing" else time.sleep(600)
        except KeyboardInterrupt:
            print("stopping", flush=True)
            clean_up() if sys.argv[1] == "cleaning up" else sys.exit(7)
finally:
    time.sleep(1)  # as the interpreter takes its time to leave
"""


def stubborn(how: str, same_press: float = 0.1) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, how, str(same_press)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(
    ("how", "number", "code"),
    [
        ("computing", signal.SIGINT, 130),
        ("cleaning up", signal.SIGTERM, 143),
    ],
)
def test_a_second_signal_ends_at_once(how: str, number: int, code: int) -> None:
    with stubborn(how) as process:
        for _ in range(2):
            process.send_signal(number)
            time.sleep(0.6)
        try:
            assert process.wait(timeout=10) == code
        finally:
            process.kill()


def test_a_second_signal_leaves_the_terminal_with_a_cursor() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN, "cleaning up", "0.1"], stdin=theirs, stdout=theirs
    ) as process:
        until(ours, b"ready")
        process.send_signal(signal.SIGINT)
        until(ours, b"stopping")
        time.sleep(0.6)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert termios.tcgetattr(theirs) == before
    os.close(theirs)
    assert b"\x1b[?25h" in until(ours, b"")
    os.close(ours)


def test_a_signal_sent_twice_at_once_is_one() -> None:
    """As `timeout` sends it: to the process, and to its group."""
    with stubborn("neither", same_press=1.5) as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 7


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_if_never_killed(bench: Path) -> None:
    chance, output = random.Random(0), bench / "out" / "killed.weights.h5"
    words = (*TEACH, *SLOWLY, "--output", output)
    for _ in range(5):
        resume = ["--resume"] if resume_path(output).exists() else []
        with Running(*words, *resume, cwd=bench) as run:
            known = read_resume(resume_path(output)).snapshot.history if resume else ()
            # Compiling comes first, so a kill before a first row would prove little.
            run.wait_for_row(max(1, len(known)))
            time.sleep(chance.uniform(0, 0.1))
            run.stop(signal.SIGKILL)
        assert len(read_resume(resume_path(output)).snapshot.history) > len(known)
    assert kextract(*words, "--resume", cwd=bench).code == 0
    kextract(*TEACH, *SLOWLY, "--output", "out/whole.weights.h5", cwd=bench)
    assert written(output).sha256 == written(bench / "out" / "whole.weights.h5").sha256
    assert names(bench / "out") == ["killed.weights.h5", "whole.weights.h5"]
