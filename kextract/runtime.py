"""Starts TensorFlow: without its chatter, with the requested threads and precision."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@contextmanager
def native_stderr_held() -> Iterator[None]:
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


@cache
def start() -> None:
    """Import TensorFlow quietly; must come before any other import of it, and may come again.

    Operations are made deterministic, so that a seed repeats a run bit for bit on one machine.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with native_stderr_held():
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        tf.config.experimental.enable_op_determinism()
        # The first operation starts the devices, which write their greetings.
        tf.zeros(())


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
