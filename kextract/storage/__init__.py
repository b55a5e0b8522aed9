"""Checkpoints: writing them whole or not at all, reading them without trusting them."""

from kextract.hdf5.weights import model_sha256, sha256_of_tensors
from kextract.storage.atomic import atomic_write, check_place, check_writable
from kextract.storage.checkpoint import load_weights, read_info, write_checkpoint
from kextract.storage.info import CheckpointInfo
