import re
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

import kextract
from kextract.seeds import Stream, random_generator, seed_number, seed_sequence


def parts(stream: Stream) -> list[tuple[int, ...]]:
    return list(product(range(3), repeat=stream.counts))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_no_two_parts_of_any_streams_are_the_same(seed: int) -> None:
    words = {
        tuple(seed_sequence(stream, seed, *part).generate_state(4))
        for stream in Stream
        for part in parts(stream)
    }
    assert len(words) == sum(len(parts(stream)) for stream in Stream)


@pytest.mark.parametrize("part", [(), (1,), (1, 2, 0)])
def test_a_part_of_another_length_is_refused(part: tuple[int, ...]) -> None:
    """Zeros at its end would make it another part."""
    with pytest.raises(ValueError, match="parts of BATCH have 2 counts"):
        seed_sequence(Stream.BATCH, 0, *part)


def test_nobody_draws_from_a_seed_of_his_own() -> None:
    own = re.compile(r"default_rng\((?!0\)|seed\))|SeedSequence\(")
    root = Path(kextract.__file__).parent
    found = [path for path in root.rglob("*.py") if own.search(path.read_text())]
    assert [path.name for path in found] == ["seeds.py"]


def test_streams_of_two_seeds_differ() -> None:
    drawn = [random_generator(Stream.BATCH, seed, 1, 2).random(8) for seed in range(4)]
    assert all((one != other).all() for one, other in combinations(drawn, 2))


@pytest.mark.parametrize(
    ("stream", "seed", "words"),
    [
        (Stream.VALIDATION, 7, [7, 0]),
        (Stream.STUDENT, 7, [7, 1]),
        (Stream.TEST, 0, [0, 2]),
        (Stream.MIX, 7, [7, 3]),
    ],
)
def test_what_a_seed_decided_in_the_first_release_it_decides_still(
    stream: Stream, seed: int, words: list[int]
) -> None:
    """Held-out images above all: a student must not be measured on what its teacher learned."""
    old = np.random.default_rng(words).permutation(50)
    np.testing.assert_array_equal(random_generator(stream, seed).permutation(50), old)
    assert seed_number(stream, seed) == np.random.SeedSequence(words).generate_state(1)[0]
