from pathlib import Path
from random import Random

import pytest

from tests.storage.fuzz_archives import make_bases, mutate, run
from tests.storage.mutations_of_archives import ARCHIVES


def test_damaged_archives_are_refused_or_hold_a_model() -> None:
    report = run(count=25, seed=2020)
    assert not report.failures
    assert report.counts["graph", "refused"] > 10


def test_the_same_seed_makes_the_same_archives(tmp_path: Path) -> None:
    one, other = make_bases(tmp_path), make_bases(tmp_path)
    for number in range(20):
        assert mutate(one, 1, number)[1:] == mutate(other, 1, number)[1:]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_every_mutation_changes_a_sound_archive(tmp_path: Path) -> None:
    base = make_bases(tmp_path)[0]
    for mutation in (mutation for family in ARCHIVES for mutation in family):
        assert any(mutation(base.data, Random(seed)) != base.data for seed in range(5))
