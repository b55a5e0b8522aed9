import json
import socket

import pytest

from kextract import replicas
from kextract.errors import RequestError, WorkerError
from kextract.replicas import Cluster, cluster_of, meet


@pytest.fixture
def listening() -> socket.socket:
    """A worker that has started."""
    return socket.create_server(("127.0.0.1", 0))


def set_config(patch: pytest.MonkeyPatch, cluster: object, kind: str, index: int) -> None:
    task = {"type": kind, "index": index}
    patch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))


def address(place: socket.socket) -> str:
    return f"127.0.0.1:{place.getsockname()[1]}"


@pytest.mark.parametrize("strategy", ["auto", "multiworker"])
def test_the_first_worker_is_the_chief(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_config(monkeypatch, {"worker": ["a:1", "b:2", "c:3"]}, "worker", 0)
    cluster = cluster_of(strategy)
    assert cluster == Cluster(("a:1", "b:2", "c:3"), 0)
    assert cluster.is_chief
    assert cluster.others == ("b:2", "c:3")


def test_a_chief_that_is_named_comes_before_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    set_config(monkeypatch, {"chief": ["a:1"], "worker": ["b:2", "c:3"]}, "worker", 0)
    assert cluster_of("auto") == Cluster(("a:1", "b:2", "c:3"), 1)


def test_nobody_to_share_with_is_a_run_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert cluster_of("auto") is None
    set_config(monkeypatch, {"worker": ["a:1"]}, "worker", 0)
    assert cluster_of("multiworker") is None
    set_config(monkeypatch, {"worker": ["a:1", "b:1"]}, "worker", 0)
    assert cluster_of("none") is None


def test_workers_wait_for_each_other_and_not_for_ever(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = address(taken)
    with listening:
        meet(Cluster((free, address(listening)), 0))
        gone = address(listening)
    with pytest.raises(WorkerError, match=rf"^--strategy multiworker: {gone} did not start within"):
        meet(Cluster((free, gone), 0))


def test_an_address_that_is_taken_is_named(listening: socket.socket) -> None:
    with (
        listening,
        pytest.raises(RequestError, match=rf"^TF_CONFIG: worker 1 .* {address(listening)}: .*port"),
    ):
        meet(Cluster(("127.0.0.1:1", address(listening)), 1))
