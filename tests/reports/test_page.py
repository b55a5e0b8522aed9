from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kextract.errors import RequestError
from kextract.reports.page import Confusion, Entry, compressed, report_page
from kextract.reports.runs import Run
from tests.reports.examples import entries, info

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&\x1b]0;x\x07"


class Reader(HTMLParser):
    """Collects what a browser would see: tags with their attributes, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def noise(path: Path, width: int = 640, height: int = 640) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def whole_entry(picture: Path) -> list[Entry]:
    """A teacher and one student with everything that a page can hold."""
    teacher, student = entries(seeds=1)[:2]
    counts = np.array([[30, 0, 2], [1, 29, 0], [0, 0, 32]])
    confusion = Confusion(counts, student.info.class_names)
    return [
        teacher,
        Entry(
            student.run,
            student.info,
            270_000,
            "[distill]\nepochs = 8\n",
            picture,
            1_234_567,
            confusion,
        ),
    ]


@pytest.fixture(scope="module")
def whole_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a teacher and one student."""
    return report_page(whole_entry(noise(tmp_path_factory.mktemp("page") / "a.png", 40, 40)))


def test_a_page_has_what_was_asked_measured_and_typed(whole_page: str) -> None:
    page = Reader(whole_page)
    for text in (
        "What students learned from strokes-resnet11 (strokes)",
        "Asked for: one student, taught to predict like the teacher by inversion; seed 0.",
        "410,378",
        "61,706",
        "1,234,567",
        "0.9800",
        "kextract 0",
        "[distill]\nepochs = 8",
        "zwölf",
        "validation loss (nats)",
    ):
        assert text in page.text, text


def test_a_page_loads_and_runs_nothing(whole_page: str) -> None:
    page = Reader(whole_page)
    assert not {"script", "iframe", "object", "embed", "base", "form"} & {t for t, _ in page.tags}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href"):
                assert (value or "").startswith(("data:", "#")), (tag, value)
    (policy,) = (a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert (policy or "").startswith("default-src 'none';") and "script" not in (policy or "")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    about = info(
        dataset=HOSTILE,
        model=HOSTILE,
        class_names=(HOSTILE, "b", "c"),
        teacher=HOSTILE,
        config={"method": HOSTILE, "command": HOSTILE},
    )
    confusion = Confusion(np.eye(3, dtype=np.int64), about.class_names)
    picture = noise(tmp_path / "a.png", 40, 40)
    entry = Entry(Run.of(HOSTILE, about, 1), about, 1, HOSTILE, picture, 1, confusion)
    page = report_page([entry])
    tags = {tag for tag, _ in Reader(page).tags}
    assert "script" not in tags
    assert all(not name.startswith("on") for _, a in Reader(page).tags for name in a)
    assert "\x1b" not in page


def test_a_confusion_matrix_of_many_classes_is_a_list_of_what_is_confused_most() -> None:
    counts = np.zeros((40, 40), np.int64)
    counts[3, 7] = 5
    names = tuple(f"class-{index}" for index in range(40))
    entry = entries(seeds=1)[1]
    page = report_page([Entry(entry.run, entry.info, 1, confusion=Confusion(counts, names))])
    assert '<tr><th scope="row">class-3</th><td>class-7</td><td class="number">5</td></tr>' in page
    assert "class-11" not in page


def test_a_picture_that_is_too_large_loses_detail(tmp_path: Path) -> None:
    image, kind = compressed(noise(tmp_path / "a.png"), 30_000)
    assert (len(image) <= 30_000, kind) == (True, "webp")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(RequestError, match="is not a picture"):
        compressed(path, 1000)


def test_rows_are_true_classes_and_columns_predictions() -> None:
    labels, predictions = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 0, 2])
    found = Confusion.of(predictions, labels, ("a", "b", "c"))
    assert found.counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
