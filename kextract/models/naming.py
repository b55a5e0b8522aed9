"""Layer names that do not depend on what else was built in the process."""

from collections import Counter


class LayerNames:
    """Numbers layers by kind in the order of their creation, as `tf.keras` did in a new process.

    The first is `conv2d`, the next `conv2d_1`: weights files of 2020 go by these names.
    """

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()

    def __call__(self, kind: str) -> str:
        """Return the next name for a layer of this kind."""
        number = self._made[kind]
        self._made[kind] += 1
        return f"{kind}_{number}" if number else kind
