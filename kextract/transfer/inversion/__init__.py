"""Data-free images by inversion: a generator trained against the frozen teacher."""

from kextract.transfer.inversion.source import Inversion

__all__ = ["Inversion"]
