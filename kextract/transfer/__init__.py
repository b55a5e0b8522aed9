"""Where a student's images come from: one file a method, one protocol."""

from kextract.transfer.registry import METHODS, MethodSpec, make_source, method_spec, method_specs

__all__ = ["METHODS", "MethodSpec", "make_source", "method_spec", "method_specs"]
