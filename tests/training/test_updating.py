"""The work of a batch on two devices is that on one; see `on_two_devices.py`."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    """What came of one device, and of two, which TensorFlow makes of a processor as it starts."""
    command = [sys.executable, "-m", "tests.training.on_two_devices"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: list[dict[str, Any]] = json.loads(done.stdout)
    return result


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "step of our layers",
        "step on fewer images than devices",
        "step of stock layers",
        "student",
    ],
)
def test_two_devices_do_what_one_does(name: str, found: list[dict[str, Any]]) -> None:
    one, two = (np.array(each[name]) for each in found)
    np.testing.assert_allclose(two, one, rtol=1e-4, atol=2e-6)
