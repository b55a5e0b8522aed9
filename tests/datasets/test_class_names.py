from pathlib import Path

import pytest

from kextract.datasets.class_names import read_class_names
from kextract.errors import RequestError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.txt", "cat\ndog\n\n hot dog \n"),
        ("x.json", '["cat", "dog", "hot dog"]'),
        ("x.json", '{"1": "dog", "0": "cat", "2": "hot dog"}'),
        ("x.json", '{"cat": 0, "hot dog": 2, "dog": 1}'),
        ("x.txt", "\ufeffcat\r\ndog\r\nhot dog\r\n"),
    ],
)
def test_names_are_read_by_line_or_by_label(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_class_names(tmp_path / name, 3) == ("cat", "dog", "hot dog")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "text"), [("x.txt", "chat\r\ncafé\r\n"), ("x.json", '["chat", "café"]')]
)
def test_names_may_be_saved_by_any_editor(
    name: str, text: str, encoding: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert read_class_names(tmp_path / name, 2) == ("chat", "café")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.txt", b"cat\ndog", "has 2 names, but there are 3 classes"),
        ("x.txt", b"\xff\xfd", "expected text with a name per line"),
        ("x.txt", b"a\nb\nc\x1b[2J", "not printable"),
        ("x.json", b'{"0": "a", "1": "b", "5": "c"}', "expected text"),
        ("x.json", b'{"1": "a", "2": "b", "3": "c"}', "one for each label from 0 on"),
        ("x.json", b"[1, 2, 3]", "expected text"),
        ("x.json", b"[" * 100_000, "expected text"),
    ],
)
def test_another_file_is_refused_by_its_flag(
    name: str, data: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RequestError) as caught:
        read_class_names(tmp_path / name, 3)
    assert says in str(caught.value)
    assert str(caught.value).startswith("--class-names ")
    assert str(caught.value).isprintable()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read"):
        read_class_names(tmp_path / "nowhere.txt", 3)
