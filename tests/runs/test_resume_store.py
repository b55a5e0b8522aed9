from pathlib import Path

import pytest

from kextract.errors import RequestError
from kextract.runs.resume_store import ResumeStore


def test_a_run_of_an_earlier_version_goes_on_where_leaves_are_now_counted_by_the_images(
    tmp_path: Path,
) -> None:
    store = ResumeStore(tmp_path / "a.weights.h5", None, "kextract distill")
    store._check({"--leaves": 32768}, {"--leaves": None}, 1)
    with pytest.raises(RequestError, match="--leaves 70"):
        store._check({"--leaves": 70}, {"--leaves": None}, 1)
    with pytest.raises(RequestError, match="--leaves 32768"):
        store._check({"--leaves": 32768}, {"--leaves": 70}, 1)
