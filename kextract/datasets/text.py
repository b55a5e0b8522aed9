"""User text in messages: paths and class names may hold line breaks and terminal escapes."""


def printable(text: object) -> str:
    r"""Give `text` as one line; characters that are not printable show as `\x1b`, `\n`, ..."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(text)
    )
