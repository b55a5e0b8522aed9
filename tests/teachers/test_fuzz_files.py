from pathlib import Path
from random import Random

import pytest

from tests.teachers.fuzz_files import BYTES, STRUCTURE, run, write_sound


@pytest.mark.slow
def test_damaged_files_of_other_runtimes_are_refused_or_read() -> None:
    report = run(count=40, seed=2020)
    assert not report.failures
    for model in ("float.onnx", "float.tflite", "int8.tflite", "saved"):
        assert report.counts[model, "refused"] > 1


@pytest.mark.slow
def test_every_mutation_changes_a_sound_file(tmp_path: Path) -> None:
    for files in write_sound(tmp_path).values():
        for name, data in files.items():
            for mutation in (*BYTES, *([STRUCTURE[name]] if name in STRUCTURE else [])):
                assert any(mutation(data, Random(seed)) != data for seed in range(5))
