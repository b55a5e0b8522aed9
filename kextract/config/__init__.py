"""What can be asked for: frozen dataclasses whose fields are the options of all commands."""

from kextract.config.distill import DISTANCES, OPTIMIZERS, RECIPES, DistillConfig
from kextract.config.inversion import GeneratorConfig, InversionConfig, SynthesisConfig
from kextract.config.queries import QueryConfig
from kextract.config.shared import PRECISIONS, SCHEDULES
from kextract.config.teacher import Holdout, TeacherConfig

__all__ = [
    "DISTANCES",
    "OPTIMIZERS",
    "PRECISIONS",
    "RECIPES",
    "SCHEDULES",
    "DistillConfig",
    "GeneratorConfig",
    "Holdout",
    "InversionConfig",
    "QueryConfig",
    "SynthesisConfig",
    "TeacherConfig",
]
