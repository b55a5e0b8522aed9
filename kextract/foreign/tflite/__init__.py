"""Classifiers in `.tflite` files, of numbers of any precision, read as networks with gradients.

A TFLite operator is written as nodes of ONNX, for which there are layers: convolutions get a
transposition before and after, which costs nothing, as axes are only renamed. Integers become the
real values that they stand for (Jacob et al. 2018, "Quantization and training of neural networks
for efficient integer-arithmetic-only inference", equation 1), so that the network in floats
computes what the file does but for its rounding.
"""
