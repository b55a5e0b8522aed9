from pathlib import Path

import pytest

from kextract.errors import RequestError
from kextract.runs.resume_store import ResumeStore


@pytest.mark.parametrize(("flag", "was"), [("--leaves", 32768), ("--synthesis-batch-size", 128)])
def test_a_run_of_an_earlier_version_goes_on_where_a_default_is_now_chosen_by_the_images(
    flag: str, was: int, tmp_path: Path
) -> None:
    store = ResumeStore(tmp_path / "a.weights.h5", None, "kextract distill")
    store._check({flag: was}, {flag: None}, 1)
    with pytest.raises(RequestError, match=f"{flag} 70"):
        store._check({flag: 70}, {flag: None}, 1)
    with pytest.raises(RequestError, match=f"{flag} {was}"):
        store._check({flag: was}, {flag: 70}, 1)
