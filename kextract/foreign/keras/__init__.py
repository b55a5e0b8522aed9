"""Whole Keras models (`.keras`) of other programs, read as untrusted files."""

from kextract.foreign.keras.container import is_archive
from kextract.foreign.keras.loading import build_described, facts_of_archive, load_archive
