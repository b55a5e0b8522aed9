"""Starts TensorFlow and Keras: quietly, with the requested threads, and set up as meant here."""

import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from kextract.errors import RequestError, WorkerError
from kextract.replicas import Cluster, cluster_of, meet


@contextmanager
def native_stderr_held(*, show_on_failure: bool = True) -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2; shown only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            if show_on_failure:
                os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def limit_threads(threads: int | None) -> None:
    """Bound the processor threads (None: all cores); must come before `start`."""
    if threads is not None:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)


def threads() -> int:
    """Return how many processor threads an operation may use."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1)


_joined: dict[Cluster, Any] = {}
"""The cluster that `start` is to join and, once it has, TensorFlow's strategy for it."""


def join(cluster: Cluster | None) -> None:
    """Let `start` join the other workers of a run; must come before it. Raises RequestError."""
    if cluster is None or cluster in _joined:
        return
    if start.cache_info().currsize:
        raise RequestError(
            "--strategy multiworker: TensorFlow has started already, and joins others only when it"
            " starts: give networks as files, or --strategy none"
        )
    _joined.clear()
    _joined[cluster] = None


@contextmanager
def as_guest(numbers: random.Random | None = None) -> Iterator[None]:
    """Run a block of a Python program, and leave what it shares with kextract as it was.

    That is Python's random numbers, in whose place the block draws `numbers`, TensorFlow's
    determinism and the level of its log, and how Keras is set up. NumPy's random numbers are never
    touched.
    """
    numbers = numbers or random.Random(0)
    before, shared = random.getstate(), _shared_settings()
    random.setstate(numbers.getstate())
    if start.cache_info().currsize:
        _share((True, "ERROR"))
    try:
        with _keras_set_up():
            yield
    finally:
        numbers.setstate(random.getstate())
        random.setstate(before)
        _share(shared)


def _shared_settings() -> tuple[bool, int | str]:
    """Return whether TensorFlow's operations are deterministic, and the level of its log.

    Where it is not imported yet, the log is ours to keep quiet.
    """
    if "tensorflow" not in sys.modules:
        return False, "ERROR"
    import tensorflow as tf
    from tensorflow.python.framework import config

    return config.is_op_determinism_enabled(), tf.get_logger().level


def _share(settings: tuple[bool, int | str]) -> None:
    if "tensorflow" not in sys.modules:
        return
    import tensorflow as tf
    from tensorflow.python.framework import config

    deterministic, level = settings
    (config.enable_op_determinism if deterministic else config.disable_op_determinism)()
    tf.get_logger().setLevel(level)


@cache
def start() -> None:
    """Import TensorFlow quietly; must come before any other import of it, and may come again.

    Operations are made deterministic, so that a seed repeats a run bit for bit on one machine.
    Raises WorkerError where the other workers of a run do not come, and RequestError where Keras
    was imported with another backend before, or cannot be by what its own file says.
    """
    for cluster in _joined:
        meet(cluster)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without it, TensorFlow leaves most laptops' processors (no AVX-512) to slower convolutions.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with native_stderr_held():
        _import_keras()
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        tf.config.experimental.enable_op_determinism()
        for cluster in _joined:
            _joined[cluster] = _multiworker(tf)
        # The first operation starts the devices, which write their greetings.
        tf.zeros(())


def _import_keras() -> None:
    """Import Keras for TensorFlow and set it up, whatever is set for other projects."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if os.environ.get("KERAS_HOME", "").startswith("~"):
        # Keras would make a folder of that name.
        os.environ["KERAS_HOME"] = os.path.expanduser(os.environ["KERAS_HOME"])  # noqa: PTH111
    try:
        import keras
    except (ValueError, AttributeError) as error:
        raise RequestError(
            f"Keras does not start by its own settings in '{keras_json()}':"
            f" {' '.join(str(error).split())}; correct or remove that file"
        ) from error
    finally:
        del os.environ["KERAS_BACKEND"]
        if before is not None:
            os.environ["KERAS_BACKEND"] = before
    if keras.config.backend() != "tensorflow":
        raise RequestError(
            f"Keras was imported with the backend '{keras.config.backend()}' already, and kextract"
            " computes with TensorFlow: set KERAS_BACKEND=tensorflow before keras is imported"
        )
    _settings_of_caller.append(_keras_settings())
    _set_keras(_OURS)


def keras_json() -> Path:
    """Name the file in which Keras keeps its settings."""
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "keras.json"


_OURS = ("channels_last", "float32", 1e-7, "float32")
_settings_of_caller: list[tuple[Any, ...]] = []
"""How Keras was set up when `start` found it."""


def _keras_settings() -> tuple[Any, ...]:
    from keras import config

    return config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy()


def _set_keras(settings: tuple[Any, ...]) -> None:
    from keras import config

    data_format, floatx, epsilon, policy = settings
    config.set_image_data_format(data_format)
    config.set_floatx(floatx)
    config.set_epsilon(epsilon)
    config.set_dtype_policy(policy)


@contextmanager
def _keras_set_up() -> Iterator[None]:
    """Let Keras build and compute as is meant here, and give the caller's own settings back.

    Those are in its `keras.json`, or made by `keras.config`: where an image has its channels, of
    which type numbers are, and what is added to a divisor.
    """
    before = None
    if start.cache_info().currsize:
        before = _keras_settings()
        _set_keras(_OURS)
    try:
        yield
    finally:
        if start.cache_info().currsize:
            _set_keras(before or _settings_of_caller[-1])


def _multiworker(tf: Any) -> Any:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        raise WorkerError(f"--strategy multiworker: {error}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            # TensorFlow puts its own in place of them.
            for number, handler in handlers.items():
                signal.signal(number, handler)


def strategy(requested: str) -> Any:
    """Return the `tf.distribute.Strategy` to share the work by, None for one device.

    `requested` is one of `STRATEGIES`. Raises RequestError for `mirrored` on a single device.
    """
    cluster = cluster_of(requested)
    if cluster is not None:
        return _joined[cluster]
    if requested != "mirrored":
        return None
    import tensorflow as tf

    gpus, processors = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
    devices = gpus or processors
    if len(devices) < 2:
        raise RequestError(
            f"--strategy mirrored: needs two or more GPUs, found {len(gpus)}; leave it out"
        )
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function of tensors, as a decorator or by a call; `options` are `tf.function`'s.

    Without XLA, which is no faster on processors, and without AutoGraph: loops are written with
    `tf.while_loop`, and to translate Python takes nearly half of the time that tracing takes.
    """
    import tensorflow as tf

    return tf.function(function, jit_compile=False, autograph=False, **options)


def resolve_precision(requested: str) -> str:
    """Turn `auto` into bfloat16 where processor or GPUs compute it natively, else float32."""
    if requested != "auto":
        return requested
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
        native = all(item.get("compute_capability", (0, 0)) >= (8, 0) for item in details)
    else:
        native = bool({"avx512_bf16", "amx_bf16"} & _processor_flags())
    return "bfloat16" if native else "float32"


def _processor_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.split())
