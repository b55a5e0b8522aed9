"""Starts TensorFlow the way the program does, before any test of this folder imports it."""

from kextract import runtime

runtime.start()
