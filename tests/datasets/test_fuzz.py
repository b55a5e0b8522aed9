from pathlib import Path
from random import Random

import pytest

from tests import fuzzing
from tests.datasets import mutations_of_images, mutations_of_npz
from tests.datasets.fuzz_folders import ImageFolders
from tests.datasets.fuzz_npz import NpzFiles
from tests.datasets.mutations_of_images import write_sound_folder


def test_damaged_npz_files_are_refused_or_hold_images() -> None:
    report = fuzzing.run(NpzFiles(seed=2020), count=60)
    assert not report.failures
    assert report.counts["bytes", "refused"] > 12
    assert report.counts["content", "refused"] > 12


def test_damaged_image_folders_are_refused_or_hold_images() -> None:
    report = fuzzing.run(ImageFolders(seed=2020), count=20)
    assert not report.failures
    assert min(report.counts["files", "refused"], report.counts["files", "other images"]) > 2


@pytest.mark.parametrize("family", [NpzFiles(seed=1), ImageFolders(seed=1)])
def test_the_same_seed_makes_the_same_files(family: fuzzing.Family, tmp_path: Path) -> None:
    def made(number: int) -> list[object]:
        folder = tmp_path / f"{number}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        names = family.make(number, folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [names, *(path.read_bytes() for path in files if not path.is_symlink())]

    for number in range(5):
        assert made(number) == made(number)


def test_every_mutation_changes_a_sound_file_or_folder(tmp_path: Path) -> None:
    sound = mutations_of_npz.packed(mutations_of_npz.sound_members())
    for change in mutations_of_npz.BYTES + mutations_of_npz.CONTENT:
        assert any(change(sound, Random(seed)) != sound for seed in range(5)), change

    def state(root: Path) -> list[object]:
        paths = sorted(path for path in root.rglob("*") if not path.is_symlink())
        return [(str(path.relative_to(root)), _bytes(path)) for path in paths]

    for place, damage in enumerate(mutations_of_images.BYTES + mutations_of_images.FOLDERS):
        root = tmp_path / str(place)
        write_sound_folder(root)
        before = state(root)
        damage(root, Random(1))
        assert state(root) != before or any(path.is_symlink() for path in root.rglob("*")), damage


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
