"""Takes the knowledge out of a trained image classifier, without its data.

The functions are those of the command line, see docs/python.md; importing costs nothing until one
of them is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kextract.api import Run, distill, evaluate, export, load, synthesize, train_teacher

__version__ = "0.1.0"
__all__ = [
    "Run",
    "__version__",
    "distill",
    "evaluate",
    "export",
    "load",
    "synthesize",
    "train_teacher",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'kextract' has no attribute '{name}'")
    return getattr(import_module("kextract.api"), name)
