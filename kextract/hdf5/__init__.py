"""Weights in HDF5: untrusted files read safely, and where Keras puts what."""
