from pathlib import Path
from random import Random

from tests.storage.fuzz_models import make_bases, mutate, run
from tests.storage.mutations_of_models import MODELS


def test_damaged_models_are_refused_or_hold_a_model() -> None:
    report = run(count=25, seed=2020)
    assert not report.failures
    assert report.counts["graph", "refused"] > 5


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    bases = make_bases(tmp_path)
    for number in range(20):
        assert mutate(bases, 1, number)[1:] == mutate(bases, 1, number)[1:]


def test_every_mutation_changes_a_sound_file(tmp_path: Path) -> None:
    base = make_bases(tmp_path)[0]
    for mutation in (mutation for family in MODELS for mutation in family):
        assert any(mutation(base.data, Random(seed)) != base.data for seed in range(5))
