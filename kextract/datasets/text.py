"""User text in messages: paths and class names may hold line breaks and terminal escapes."""


def printable(text: object) -> str:
    """Give `text` as one line, every control or otherwise unprintable character as '?'."""
    return "".join(char if char.isprintable() else "?" for char in str(text))
