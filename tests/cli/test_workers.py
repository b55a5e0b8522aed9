"""Two processes share one run: the curve is that of one, the chief alone writes, nobody hangs."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kextract.storage import read_info
from kextract.storage.resume import read_resume, resume_path
from tests.cli.conftest import write_images
from tests.cli.program import Finished, kextract
from tests.cli.stopping import Running

TRAIN = (
    *("train-teacher", "--dataset", "shades.npz", "--model", "own.keras", "--batch-size", "5"),
    *("--learning-rate", "1e-4", "--patience", "0", "--augment", "--precision", "float32"),
    *("--format", "plain", "--threads", "1", "--output", "out/teacher.weights.h5"),
)
FIRST_OF_TWO = '{"cluster": {"worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": 0}}'
OUTPUT = Path("out", "teacher.weights.h5")
LONGEST_WAIT = 30.0
"""Seconds within which a worker must know that another one is gone."""


def addresses(count: int) -> list[str]:
    """Addresses of this machine at which nothing listens."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in taken]


@contextmanager
def two_workers(*words: object, folders: tuple[Path, Path]) -> Iterator[tuple[Running, Running]]:
    """Start the same command twice, each in a folder of its own."""
    named = addresses(2)
    with ExitStack() as stack:
        chief, worker = (
            stack.enter_context(
                Running(
                    *words,
                    cwd=folder,
                    TF_CONFIG=json.dumps(
                        {"cluster": {"worker": named}, "task": {"type": "worker", "index": index}}
                    ),
                )
            )
            for index, folder in enumerate(folders)
        )
        yield chief, worker


def losses_of(path: Path) -> list[float]:
    info = read_info(path)
    assert info is not None
    both = [(record.loss, record.train_loss) for record in info.history]
    return [value for pair in both for value in pair if value is not None]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def network_without_noise() -> Any:
    """A small network that is trained to the same weights in whatever order its sums are taken.

    Its convolution has no bias: the gradient of one before a batch normalization is zero but for
    rounding, which Adam makes steps of.
    """
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 1))
    x = keras.layers.Conv2D(4, 3, strides=4, use_bias=False)(inputs)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


@pytest.fixture
def folders(tmp_path: Path, tensorflow: ModuleType) -> tuple[Path, Path, Path]:
    """Of the chief, of a worker, and of one alone, with the same images and network in them."""
    del tensorflow
    made = tmp_path / "chief", tmp_path / "worker", tmp_path / "one"
    network = network_without_noise()
    for folder in made:
        (folder / "out").mkdir(parents=True)
        write_images(folder / "shades.npz")
        network.save(folder / "own.keras")
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_killed_worker_ends_a_run_and_two_go_on_with_it_to_the_curve_of_one(
    folders: tuple[Path, Path, Path],
) -> None:
    first, second, third = folders
    with two_workers(*TRAIN, "--epochs", "9999", folders=(first, second)) as (chief, worker):
        chief.wait_for_row(3)
        worker.process.kill()
        killed = time.monotonic()
        stopped = chief.end()
        assert time.monotonic() - killed < LONGEST_WAIT
    kept = read_resume(resume_path(first / OUTPUT)).snapshot.history[-1].epoch
    assert stopped.code == 1
    assert stopped.stderr.splitlines()[-1].startswith(
        "kextract: --strategy multiworker: another worker of TF_CONFIG has ended or cannot be"
        f" reached; epochs 1 to {kept} are kept; to continue: kextract train-teacher "
    )
    assert "Traceback" not in stopped.stderr
    assert {*everything(second)} == {"shades.npz", "own.keras"}

    shutil.copytree(first / "out", second / "out", dirs_exist_ok=True)
    before = everything(second)
    words = (*TRAIN, "--epochs", kept + 2)
    with two_workers(*words, "--resume", folders=(first, second)) as (chief, worker):
        helped, ended = worker.end(), chief.end()
    assert ended.code == 0, ended.stderr
    assert (helped.code, helped.stdout) == (0, "")
    assert helped.stderr.startswith("worker 1 of 2, with 127.0.0.1:")
    assert len(helped.stderr.splitlines()) == 1
    assert everything(second) == before
    assert kextract(*words, cwd=third).code == 0
    assert losses_of(first / OUTPUT) == pytest.approx(losses_of(third / OUTPUT), rel=1e-5)


@pytest.mark.parametrize(
    ("words", "config", "says"),
    [
        (TRAIN, None, "--strategy multiworker: the environment variable TF_CONFIG is not set"),
        (TRAIN, "{", "cannot be understood; set it for every worker, such as TF_CONFIG='"),
        (TRAIN, '{"cluster": {"ps": ["a:1"], "worker": ["b:1", "c:1"]}}', "cannot be understood"),
        (
            TRAIN,
            FIRST_OF_TWO.replace("0", "2"),
            "names no worker for this process",
        ),
        (
            ("distill", "teacher.onnx", "--student", "lenet5", "--method", "queries"),
            FIRST_OF_TWO,
            "--method queries: only one process may ask the teacher",
        ),
        (
            ("distill", "teacher.weights.h5", "--method", "random", "--minutes", "2"),
            FIRST_OF_TWO,
            "--minutes 2: each of several workers would measure another speed",
        ),
    ],
)
def test_what_several_processes_cannot_do_is_refused_in_one_line(
    words: tuple[str, ...], config: str | None, says: str, tmp_path: Path
) -> None:
    write_images(tmp_path / "shades.npz")
    environment = {} if config is None else {"TF_CONFIG": config}
    refused: Finished = kextract(*words, "--strategy", "multiworker", cwd=tmp_path, **environment)
    assert says in refused.refusal()
