"""Where a student's images come from: one file a method, one protocol."""

from kextract.transfer.registry import METHODS, MethodSpec, method_spec

__all__ = ["METHODS", "MethodSpec", "method_spec"]
