"""Which processes share the work of a run: what TF_CONFIG says of them, and how they meet."""

import json
import os
import socket
import time
from dataclasses import dataclass

from kextract.errors import RequestError, WorkerError

STRATEGIES = ("auto", "none", "mirrored", "multiworker")
PATIENCE = 300.0
"""Seconds that a worker waits for the others to start."""
EXAMPLE = (
    """TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]},"""
    """ "task": {"type": "worker", "index": 0}}'"""
)


@dataclass(frozen=True)
class Cluster:
    """The processes of one run, of which this is one."""

    workers: tuple[str, ...]
    """Their addresses, HOST:PORT; the first is the chief's, who alone writes and shows."""
    index: int
    """Which of them this process is."""

    @property
    def is_chief(self) -> bool:
        """Whether this process shows the run and writes its files."""
        return self.index == 0

    @property
    def others(self) -> tuple[str, ...]:
        """The addresses of all workers but this one."""
        return self.workers[: self.index] + self.workers[self.index + 1 :]


def cluster_of(strategy: str) -> Cluster | None:
    """Read TF_CONFIG; None for a run of one process.

    `auto` is a run of several processes where TF_CONFIG names several. Raises RequestError for one
    that cannot be read, and for `multiworker` without one. The format is TensorFlow's, see
    https://www.tensorflow.org/api_docs/python/tf/distribute/cluster_resolver/TFConfigClusterResolver
    """
    text = os.environ.get("TF_CONFIG", "")
    if strategy in ("none", "mirrored") or (strategy == "auto" and not text):
        return None
    if not text:
        raise _unusable("is not set")
    try:
        config = json.loads(text)
        named = config.get("cluster", {})
        chief = [*named.get("chief", ())]
        workers = (*chief, *named.get("worker", ()))
        if len(workers) < 2 and strategy == "auto":
            return None
        task = config["task"]
        index = int(task["index"]) + (len(chief) if task["type"] == "worker" else 0)
        fits = {*named} <= {"chief", "worker"} and task["type"] in named and index >= 0
        addresses = [_address(worker) for worker in workers]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unusable("cannot be understood") from error
    if not (fits and index < len(workers) and len(set(addresses)) == len(workers)):
        raise _unusable("names no worker for this process, or others than workers")
    return Cluster(workers, index) if len(workers) > 1 else None


def meet(cluster: Cluster) -> None:
    """Wait until every other worker has started.

    Before TensorFlow connects them: its own waiting can neither be ended by Ctrl-C nor limited.
    Raises RequestError where the own address cannot be had, WorkerError after `PATIENCE`.
    """
    own = cluster.workers[cluster.index]
    try:
        listening = socket.create_server(("", _address(own)[1]), backlog=len(cluster.workers))
    except (OSError, OverflowError) as error:
        raise RequestError(
            f"TF_CONFIG: worker {cluster.index} cannot listen at {own}:"
            f" {getattr(error, 'strerror', None) or error}; choose a free port, the same in the"
            " TF_CONFIG of all workers"
        ) from error
    with listening:
        deadline = time.monotonic() + PATIENCE
        missing = cluster.others
        while missing := tuple(worker for worker in missing if not _listens(worker)):
            if time.monotonic() > deadline:
                raise WorkerError(
                    f"--strategy multiworker: {', '.join(missing)} did not start within"
                    f" {PATIENCE:g} seconds; start all workers of TF_CONFIG"
                )
            time.sleep(0.2)


def _listens(worker: str) -> bool:
    try:
        socket.create_connection(_address(worker), timeout=2).close()
    except OSError:
        return False
    return True


def _address(worker: str) -> tuple[str, int]:
    host, _, port = worker.rpartition(":")
    return host.strip("[]"), int(port)


def _unusable(problem: str) -> RequestError:
    return RequestError(
        f"--strategy multiworker: the environment variable TF_CONFIG {problem}; set it for every"
        f" worker, such as {EXAMPLE}, or run alone with --strategy none"
    )
