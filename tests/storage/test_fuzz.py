from pathlib import Path
from random import Random

from tests.storage.fuzz import make_bases, mutate, run
from tests.storage.mutations import BYTES, STRUCTURE
from tests.storage.mutations_of_metadata import METADATA


def test_damaged_files_are_refused_or_mean_the_same() -> None:
    report = run(count=200, seed=2020)
    assert not report.failures
    assert report.counts["ours", "refused"] > 50


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    bases = make_bases(tmp_path)
    assert [mutate(bases, 1, n)[1:] for n in range(9)] == [
        mutate(bases, 1, n)[1:] for n in range(9)
    ]


def test_every_mutation_changes_a_sound_file(tmp_path: Path) -> None:
    base = make_bases(tmp_path)[0]
    for mutation in BYTES + STRUCTURE + METADATA:
        assert any(mutation(base.data, Random(seed)) != base.data for seed in range(5))
