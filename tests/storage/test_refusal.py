from kextract.storage.refusal import printable


def test_names_are_escaped_and_cut() -> None:
    assert printable(b"a\x1b\xff") == "a\\x1b\\xff"
    assert printable("x" * 1000) == "x" * 80 + "..."
