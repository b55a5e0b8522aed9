"""Teachers that only answer, through the real program."""

import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kextract.teachers.ledger import Counts, Ledger
from tests.cli.program import Finished, kextract
from tests.common import check

ROOT = Path(__file__).parents[2]
TEACHER = ("--input-shape", "16,16,1", "--classes", "3")
SHORT = (
    *("--student", "own.keras", "--query-budget", "60", "--query-batch", "16"),
    *("--query-choice", "2", "--scout-updates", "2", "--query-rounds", "2"),
    *("--steps-per-epoch", "3", "--batch-size", "4", "--epochs", "2"),
    *("--precision", "float32", "--format", "plain", "-o", "out.weights.h5"),
)
MODULE = '''
import os
import numpy as np

def answer(images):
    """Count what comes in, then say how bright it is."""
    with open("received", "ab") as file:
        file.write(bytes(len(images)))
    shares = np.exp(images.mean((1, 2, 3))[:, None] * np.arange(3))
    return shares / shares.sum(1, keepdims=True)

def noisy(images):
    print("from the service")
    return answer(images).round(1)

def leaving(images):
    if os.path.exists("received"):
        raise SystemExit(3)
    return answer(images)
'''


def with_teacher(folder: Path) -> Path:
    """Write the module that is a teacher into a folder, and forget that of another folder."""
    (folder / "dimness.py").write_text(MODULE)
    sys.modules.pop("dimness", None)
    return folder


@pytest.fixture
def bench(network: Path, tmp_path: Path) -> Path:
    shutil.copy(network, tmp_path)
    return with_teacher(tmp_path)


@pytest.fixture(scope="module")
def taught(network: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """The folder of a student of that module, which must not be changed, and how it was made."""
    folder = with_teacher(tmp_path_factory.mktemp("taught"))
    shutil.copy(network, folder)
    done = kextract("distill", "python:dimness:answer", *TEACHER, *SHORT, cwd=folder)
    assert done.code == 0, done.stderr
    return folder, done


def received(folder: Path) -> int:
    """How many images the module counted."""
    return (folder / "received").stat().st_size


def counts(folder: Path, name: str = "out.ledger.db") -> Counts:
    with Ledger(folder / name, read_only=True) as ledger:
        return ledger.counts


def test_a_function_is_asked_as_often_as_it_may_and_its_answers_are_kept(
    taught: tuple[Path, Finished],
) -> None:
    folder, done = taught
    assert counts(folder) == Counts(sent=60, asked=60, answered=60)
    assert received(folder) == 60
    assert "60 images were sent to the teacher" in done.stderr


def test_a_table_has_no_column_for_what_a_function_is_never_asked_about(
    taught: tuple[Path, Finished],
) -> None:
    header = next(line for line in taught[1].stdout.splitlines() if line.startswith("epoch"))
    assert header.split() == ["epoch", "taught", "questions", "time"]
    assert "pixels -1..1 (the default)" in taught[1].stdout + taught[1].stderr


def test_a_student_is_compared_with_its_function_without_saying_again_what_that_takes(
    taught: tuple[Path, Finished], bench: Path
) -> None:
    shutil.copy(taught[0] / "out.weights.h5", bench)
    np.savez(bench / "mine.npz", x=np.zeros((5, 16, 16, 1), np.uint8))
    words = ("evaluate", "out.weights.h5", "--against", "python:dimness:answer", "--format", "json")
    done = kextract(*words, "--images", "mine.npz", cwd=bench)
    assert done.code == 0, done.stderr
    assert "agreement" in json.loads(done.stdout)
    assert (bench / "received").stat().st_size == 5


def test_inspect_shows_a_ledger_as_a_table_and_as_json(taught: tuple[Path, Finished]) -> None:
    shown = kextract("inspect", "out.ledger.db", cwd=taught[0])
    assert re.search(r"teacher +python:dimness:answer", shown.stdout)
    assert re.search(r"answered +60", shown.stdout)
    about = json.loads(
        kextract("inspect", "out.ledger.db", "--format", "json", cwd=taught[0]).stdout
    )
    check(about, "ledger")
    assert sum(about["class_shares"]) == pytest.approx(1)


def test_a_service_that_ends_itself_ends_the_run_with_what_is_in_the_ledger(bench: Path) -> None:
    done = kextract("distill", "python:dimness:leaving", *TEACHER, *SHORT, cwd=bench)
    known = counts(bench)
    assert done.code == 1
    assert done.stderr.splitlines()[-1] == (
        "kextract: 'python:dimness:leaving' did not answer a batch of questions, and is not asked"
        f" again: EndedError: SystemExit 3; {known.answered} responses to {known.sent} sent images"
        " are kept in 'out.ledger.db'; no epoch was finished; the same command asks for the rest"
        " only"
    )
    assert 0 < known.answered < known.sent


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("python:dimness:answer", *SHORT), "pass --input-shape and --classes"),
        (("python:dimness", *TEACHER, *SHORT), "name a module and a function"),
        (("python:brightness:answer", *TEACHER, *SHORT), "cannot import 'brightness'"),
        (("python:dimness:reply", *TEACHER, *SHORT), "has no function 'reply'"),
        (
            ("python:dimness:answer", *TEACHER, *SHORT, "--method", "inversion"),
            "--method inversion: 'python:dimness:answer' is a black box, of which outputs are seen"
            " and nothing else; --method queries is for such teachers",
        ),
        (
            ("python:dimness:answer", *TEACHER, *SHORT, "--method", "shapes"),
            "--method shapes: 'python:dimness:answer' is a black box",
        ),
        (
            ("python:dimness:answer", *TEACHER, *SHORT, "--mix", "shapes"),
            "--mix shapes: the images of --method queries cannot be mixed",
        ),
        (
            ("python:dimness:answer", "--input-shape", "16,16", "--classes", "3", *SHORT),
            "--input-shape 16,16: must be HEIGHT,WIDTH,CHANNELS",
        ),
        (("python:dimness:answer", *TEACHER, *SHORT[2:]), "name the student's with --student"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    bench: Path, words: tuple[str, ...], says: str
) -> None:
    assert says in kextract("distill", *words, cwd=bench).refusal()
    assert not list(bench.glob("*.ledger.db"))


class Service(BaseHTTPRequestHandler):
    """Answers with how bright images are; every third request finds it busy."""

    requests = 0
    arrivals: tuple[float, ...] = ()

    def do_POST(self) -> None:
        kind = type(self)
        kind.requests += 1
        kind.arrivals = (*kind.arrivals, time.monotonic())
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if kind.requests % 3 == 0:
            self.send_error(429)
            return
        images = np.array(json.loads(body)["images"])
        shares = np.exp(images.mean((1, 2, 3))[:, None] * np.arange(3))
        reply = {"probabilities": (shares / shares.sum(1, keepdims=True)).tolist()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *about: Any) -> None:
        """Stay quiet."""


@pytest.fixture
def service() -> Iterator[str]:
    Service.requests, Service.arrivals = 0, ()
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_service_of_the_docs_is_asked_in_batches_with_retries_and_at_its_rate(
    bench: Path, service: str
) -> None:
    page = (ROOT / "docs" / "black-boxes.md").read_text()
    (bench / "service.py").write_text(page.split("```python\n")[1].split("```")[0])
    words = ("distill", "python:service:answer", *TEACHER, *SHORT)
    done = kextract(*words, cwd=bench, SERVICE_URL=service, SERVICE_PAUSE="0.02")
    assert done.code == 0, done.stderr
    assert counts(bench) == Counts(sent=60, asked=60, answered=60)
    assert Service.requests > 4
    assert np.diff(Service.arrivals).min() > 0.015
