import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kextract import runtime
from kextract.runtime import limit_threads, resolve_precision

SET_BY_START = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "KERAS_BACKEND")


OURS = ["channels_last", "float32", 1e-7, "float32", "channels_last"]
THEIRS = ["channels_first", "float64", 0.5, "float64", "channels_first"]


def python(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a new interpreter that does not know what this one has set up."""
    environment = {k: v for k, v in os.environ.items() if k not in SET_BY_START}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """A process that started TensorFlow twice, as quickstart does, and then used it.

    Keras is set up for another project.
    """
    home = tmp_path_factory.mktemp("home")
    settings = {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.5}
    (home / "keras.json").write_text(json.dumps(settings | {"backend": "torch"}))
    return python(
        "-c",
        f"""
import json, os
os.environ |= {{"KERAS_BACKEND": "jax", "KERAS_HOME": {str(home)!r}}}
from kextract import runtime

def settings():
    return [
        keras.config.image_data_format(), keras.config.floatx(), keras.config.epsilon(),
        keras.layers.Dense(1).compute_dtype, keras.layers.Conv2D(1, 1).data_format
    ]

with runtime.as_guest():
    runtime.start()
    runtime.start()
    import keras, tensorflow as tf
    found = {{"settings": settings(), "backend": keras.config.backend()}}
    tf.function(lambda x: x @ x)(tf.ones((4, 4)))
    try:
        tf.random.uniform(())
        found["refuses chance without a seed"] = False
    except RuntimeError:
        found["refuses chance without a seed"] = True
found["backend of other programs"] = os.environ["KERAS_BACKEND"]
found["oneDNN on every processor"] = os.environ["TF_ENABLE_ONEDNN_OPTS"]
found["settings of the caller"] = settings()
with runtime.as_guest():
    found["settings again"] = settings()
keras.config.set_epsilon(0.25)
with runtime.as_guest():
    pass
found["settings that changed"] = settings()
print(json.dumps(found))
""",
    )


def test_starting_writes_nothing_to_stderr(started: subprocess.CompletedProcess[str]) -> None:
    assert (started.returncode, started.stderr) == (0, "")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("backend", "tensorflow"),
        ("refuses chance without a seed", True),
        ("backend of other programs", "jax"),
        ("oneDNN on every processor", "1"),
        ("settings", OURS),
        ("settings of the caller", THEIRS),
        ("settings again", OURS),
        ("settings that changed", [*THEIRS[:2], 0.25, *THEIRS[3:]]),
    ],
)
def test_starting_sets_up_a_repeatable_tensorflow(
    started: subprocess.CompletedProcess[str], setting: str, expected: Any
) -> None:
    assert json.loads(started.stdout)[setting] == expected


THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@pytest.fixture
def _threads_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.setenv(name, "")  # so that it is put back, whatever the test does
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("_threads_unset")
def test_a_thread_limit_is_told_to_tensorflow() -> None:
    limit_threads(3)
    assert [os.environ.get(name) for name in THREADS] == ["3", "3"]
    assert runtime.threads() == 3


@pytest.mark.usefixtures("_threads_unset")
def test_without_a_thread_limit_tensorflow_decides() -> None:
    limit_threads(None)
    assert [os.environ.get(name) for name in THREADS] == [None, None]
    assert runtime.threads() == os.cpu_count()


KERAS = """
from unittest.mock import MagicMock
config = MagicMock()
config.backend.return_value = '{}'
"""


def started_with(tensorflow: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Start a TensorFlow that is this module."""
    (folder / "tensorflow.py").write_text("import os, sys\n" + tensorflow)
    (folder / "keras.py").write_text(KERAS.format("tensorflow"))
    code = "from kextract import runtime; runtime.start(); os = __import__('os'); os.write(2, b'!')"
    return python("-c", code, path=folder)


def test_what_native_code_writes_while_starting_is_held_back(tmp_path: Path) -> None:
    chatter = """
from unittest.mock import MagicMock
os.write(2, b"native greetings")
def __getattr__(name): return MagicMock()
"""
    assert started_with(chatter, tmp_path).stderr == "!"


def test_what_native_code_wrote_is_shown_where_starting_fails(tmp_path: Path) -> None:
    broken = "os.write(2, b'no such instruction')\nraise ImportError('cannot load')"
    stderr = started_with(broken, tmp_path).stderr
    assert stderr.startswith("no such instruction")
    assert "cannot load" in stderr


def test_a_keras_of_another_backend_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text(KERAS.format("jax"))
    done = python(
        "-c", "import keras; from kextract import runtime; runtime.start()", path=tmp_path
    )
    assert done.stderr.splitlines()[-1] == (
        "kextract.errors.RequestError: Keras was imported with the backend 'jax' already, and"
        " kextract computes with TensorFlow: set KERAS_BACKEND=tensorflow before keras is imported"
    )


@pytest.fixture(scope="module")
def help_modules() -> set[str]:
    """What the help of a command imports."""
    done = python("-X", "importtime", "-m", "kextract", "distill", "--help")
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    "heavy", ["tensorflow", "keras", "matplotlib", "numpy", "h5py", "PIL", "pydantic"]
)
def test_help_does_without_heavy_imports(help_modules: set[str], heavy: str) -> None:
    assert "kextract.cli" in help_modules
    assert heavy not in {module.partition(".")[0] for module in help_modules}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_precision_asked_for_is_the_one_that_is_used(precision: str) -> None:
    assert resolve_precision(precision) == precision


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx2 avx512f avx512_bf16", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        ("fpu avx2 avx512f", "float32"),
    ],
)
def test_a_processor_computes_in_bfloat16_where_it_can(
    tensorflow: ModuleType, monkeypatch: pytest.MonkeyPatch, flags: str, precision: str
) -> None:
    monkeypatch.setattr(tensorflow.config, "list_physical_devices", lambda kind: [])
    text = f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n"
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert resolve_precision("auto") == precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [([(8, 0)], "bfloat16"), ([(9, 0), (7, 5)], "float32"), ([None], "float32")],
    ids=["new", "one is old", "untold"],
)
def test_graphics_processors_compute_in_bfloat16_where_all_can(
    tensorflow: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: list[tuple[int, int] | None],
    precision: str,
) -> None:
    details = [{"compute_capability": c} if c else {} for c in capabilities]
    monkeypatch.setattr(
        tensorflow.config, "list_physical_devices", lambda kind: range(len(details))
    )
    monkeypatch.setattr(
        tensorflow.config.experimental, "get_device_details", lambda gpu: details[gpu]
    )
    monkeypatch.setattr(runtime, "_processor_flags", lambda: {"avx512_bf16"})
    assert resolve_precision("auto") == precision
