"""Takes the knowledge out of a trained image classifier, without its data."""

__version__ = "0.1.0"
