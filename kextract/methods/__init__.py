"""Where a student's images come from: one file a method, one base class."""

from kextract.methods.registry import METHODS, MethodSpec, method_spec, method_specs
