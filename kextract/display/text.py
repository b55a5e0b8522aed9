"""Writing to streams that may be files, pipes or terminals, in any encoding."""

from typing import TextIO


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
