"""A source that tests share, as it takes much longer to compile its steps than to make them."""

from typing import Any

import pytest

from kextract.transfer.inversion.source import Inversion
from tests.transfer.inversion.examples import beginning_of, inversion


@pytest.fixture(scope="session")
def shared() -> tuple[Inversion, dict[str, Any]]:
    """The source, and what it remembered when it was new."""
    source = inversion()
    return source, beginning_of(source)


@pytest.fixture
def source(shared: tuple[Inversion, dict[str, Any]]) -> Inversion:
    """The source by the usual rules, which does as a new one does."""
    source, beginning = shared
    source.restore(beginning)
    source._synthesizer.metrics()
    source._failed_in = 0
    return source
