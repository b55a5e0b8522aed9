"""How steps are compiled, the same everywhere."""

from functools import partial

import tensorflow as tf

compiled = partial(tf.function, jit_compile=False, autograph=False)
"""Compile a function of tensors, as a decorator or by a call.

Without XLA, which is no faster on processors, and without AutoGraph: loops are written with
`tf.while_loop`, and to translate Python takes nearly half of the time that tracing takes.
"""
