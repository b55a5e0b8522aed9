"""Text from outside (file names, class names) made fit for a terminal and for its encoding."""

from typing import TextIO


def one_line(text: str) -> str:
    r"""Give `text` as one line without control characters; those show as `\x1b`, `\n`, ...

    A class name in a downloaded file could otherwise move the cursor or set the window's title.
    """
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int) -> str:
    """Cut `text` to at most so many characters, with an ellipsis where some are missing."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def write_line(stream: TextIO, text: str) -> None:
    """Write one line and flush it, so that a killed job still shows it.

    Characters that the stream's encoding lacks become `?`: a table is never lost to a file name.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    line = text.encode(encoding, errors="replace").decode(encoding)
    stream.write(line + "\n")
    stream.flush()


def can_show(stream: TextIO, text: str) -> bool:
    """Tell whether the stream's encoding has all characters of the text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a person watches the stream; a closed one is nobody's terminal."""
    return not stream.closed and stream.isatty()
