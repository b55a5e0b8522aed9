from pathlib import Path

import pytest

from kextract.errors import RequestError
from kextract.runs.keeping import Keeping


@pytest.mark.parametrize(("flag", "was"), [("--leaves", 32768), ("--synthesis-batch-size", 128)])
def test_a_run_of_an_earlier_version_goes_on_where_a_default_is_now_chosen_by_the_images(
    flag: str, was: int, tmp_path: Path
) -> None:
    keeping = Keeping(tmp_path / "a.weights.h5", None, "kextract distill")
    keeping._check({flag: was}, {flag: None}, 1)
    with pytest.raises(RequestError, match=f"{flag} 70"):
        keeping._check({flag: 70}, {flag: None}, 1)
    with pytest.raises(RequestError, match=f"{flag} {was}"):
        keeping._check({flag: was}, {flag: 70}, 1)
