"""What can be asked for: frozen dataclasses whose fields are the options of all commands."""

from kextract.config.shared import PRECISIONS, SCHEDULES
from kextract.config.training import (
    DISTANCES,
    OPTIMIZERS,
    RECIPES,
    DistillConfig,
    GeneratorConfig,
    InversionConfig,
    QueryConfig,
    SynthesisConfig,
    TeacherConfig,
)
