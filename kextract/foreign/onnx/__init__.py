"""Classifiers in `.onnx` files, of whatever program, read as networks with gradients.

The package onnx2keras (0.0.25) was tried and not taken: of seven real files it failed on four, and
the `Lambda` layers that it makes are code, which no file of a network should hold.
"""
