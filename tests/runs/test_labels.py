"""Labels meet outputs by name in every command: data in another order, or with some classes."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kextract
from kextract import runtime
from kextract.config.resolve import COMMAND_LINE, Layer
from kextract.config.shared import ExternalModelOptions, Machine
from kextract.errors import DatasetError
from kextract.runs.invoke import invoke
from kextract.runs.opening import Teacher, open_teacher
from kextract.runs.reporting import write_report
from kextract.runs.student import StudentRun
from kextract.storage import write_checkpoint
from kextract.storage.info import OWN_ARCHITECTURE
from tests.storage.examples import INFO

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning",
    # Readers of folders say how many images they found.
    "ignore:.* training images of train/:UserWarning",
)

SIDE = 16
PETS = ("ant", "bee", "cat")
OWN = replace(INFO, kind="teacher", model=OWN_ARCHITECTURE, pooling="none", class_names=PETS,
              input_shape=(SIDE, SIDE, 1), dataset="pets", config={})  # fmt: skip


def images(classes: Iterable[int]) -> Any:
    """An image of each class has a bar in rows 0 to 4, 5 to 9 or 10 to 14."""
    labels = [*classes]
    found = np.zeros((len(labels), SIDE, SIDE, 1), np.uint8)
    for image, label in zip(found, labels, strict=True):
        image[5 * label : 5 * label + 5] = 255
    return found


def network(order: Sequence[int] = (0, 1, 2)) -> Any:
    """Each output looks at the rows of one class."""
    runtime.start()
    import keras

    kernel = np.zeros((SIDE, SIDE, 3), np.float32)
    for output, label in enumerate(order):
        kernel[5 * label : 5 * label + 5, :, output] = 1 / 80
    layers = keras.layers
    model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), layers.Flatten(), layers.Dense(3)])
    model.set_weights([kernel.reshape(-1, 3), np.zeros(3, np.float32)])
    return model


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same classifier with names and with none; data with other names."""
    root = tmp_path_factory.mktemp("pets")
    write_checkpoint(root / "pets.weights.h5", network(), OWN)
    turned = replace(OWN, class_names=("cat", "ant", "bee"))
    write_checkpoint(root / "turned.weights.h5", network((2, 0, 1)), turned)
    network().save(root / "nameless.keras")
    for name, kinds in (("two", {"bee": 1, "Cat": 2}), ("strange", {"x-cat": 2, "y-bee": 1})):
        for half in ("train", "test"):
            for kind, label in kinds.items():
                folder = root / name / half / kind
                folder.mkdir(parents=True)
                for number, image in enumerate(images([label] * 6)):
                    Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
    labels = np.arange(12) % 3
    labelled = {"x": images(labels), "y": labels}
    halves = {f"{a}_{b}": each for b in ("train", "test") for a, each in labelled.items()}
    np.savez(root / "from-0", **halves)
    (root / "ours.txt").write_text("ant\nbee\ncat\n")
    (root / "theirs.txt").write_text("an ant\ny bee\nx cat\n")
    return root


def opened(path: Path, dataset: str, **external: Any) -> Teacher:
    return open_teacher(
        path, ExternalModelOptions(**external), Machine(), dataset=str(path.parent / dataset)
    )


def test_a_data_set_with_some_of_the_classes_is_measured_on_those(pets: Path) -> None:
    with pytest.warns(UserWarning, match="'two' has no images of 1 of the 3 classes of .*: ant$"):
        (result,) = kextract.evaluate(pets / "pets.weights.h5", dataset=pets / "two")
    assert (result.accuracy, result.images) == (1.0, 12)
    assert result.per_class == (("ant", 0, None), ("bee", 6, 1.0), ("cat", 6, 1.0))


def test_unknown_names_are_refused_and_a_file_of_names_settles_it(pets: Path) -> None:
    path, strange = pets / "pets.weights.h5", pets / "strange"
    with pytest.raises(DatasetError, match="does not know: x-cat, y-bee; it knows ant, "):
        kextract.evaluate(path, dataset=strange)
    with pytest.warns(UserWarning) as said:
        (result,) = kextract.evaluate(path, dataset=strange, class_names=pets / "theirs.txt")
    assert result.accuracy == 1.0
    assert str(said[0].message).endswith(f"theirs.txt: in place of the names in '{path}'")


def test_without_names_the_place_is_taken_and_said(pets: Path) -> None:
    named, nameless = pets / "pets.weights.h5", pets / "nameless.keras"
    with pytest.warns(UserWarning, match="'from-0' has no class names: class 0 is taken for 'ant'"):
        (result,) = kextract.evaluate(named, dataset=pets / "from-0.npz")
    assert result.accuracy == 1.0
    found = opened(nameless, "two")
    assert any(
        "nameless.keras' has no class names: class 0 is taken for 'Cat', 1 for 'bee'" in note
        for note in found.all_notes
    )
    settled = opened(nameless, "two", class_names=pets / "ours.txt")
    assert settled.data is not None and settled.data.y_test is not None
    assert settled.data.y_test.tolist() == [2] * 6 + [1] * 6
    assert settled.info.class_names == PETS


def test_a_teacher_with_another_order_of_classes_agrees(pets: Path) -> None:
    turned = pets / "turned.weights.h5"
    measured: list[dict[str, Any]] = [{"dataset": pets / "two"}, {"images": pets / "two"}]
    for options in measured:
        with warnings.catch_warnings(action="ignore"):
            (result,) = kextract.evaluate(pets / "pets.weights.h5", against=turned, **options)
        assert result.agreement == 1.0
        assert result.kl == pytest.approx(0.0, abs=1e-6)


def test_students_are_measured_on_labels_that_are_their_teacher_s(pets: Path) -> None:
    given = {"teacher": pets / "pets.weights.h5", "dataset": str(pets / "two")}
    given |= {"method": "random", "student": "lenet5"}
    plan = StudentRun(invoke("distill", Layer(COMMAND_LINE, given)))
    assert plan.validation is not None
    rows = plan.validation.x[:, :, 0, 0].argmax(axis=1)
    assert plan.validation.y.tolist() == (rows // 5).tolist()
    assert plan.teacher.data is not None and plan.teacher.data.y_test is not None
    assert plan.teacher.data.y_test.tolist() == [2] * 6 + [1] * 6


def test_a_report_s_confusion_has_the_rows_of_the_classifier(pets: Path, tmp_path: Path) -> None:
    page, said = tmp_path / "report.html", list[str]()
    given = {"checkpoints": (pets / "pets.weights.h5",), "measure": True, "output": page}
    given |= {"dataset": str(pets / "two")}
    write_report(invoke("report", Layer(COMMAND_LINE, given)).request, said.append)
    (table,) = re.findall(r'<table class="confusion">.*?</table>', page.read_text())
    rows = re.findall(r'<th scope="row">(\w+)</th>(.*?)</tr>', table)
    counts = {name: [int(n) for n in re.findall(r">(\d+)<", row)] for name, row in rows}
    assert counts == {"ant": [0, 0, 0], "bee": [0, 6, 0], "cat": [0, 0, 6]}
    assert [text for text in said if "has no images of 1 of the 3 classes" in text]
