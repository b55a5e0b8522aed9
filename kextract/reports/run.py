"""One finished run as reports see it: what its checkpoint says, and what it is called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from kextract.records import EpochRecord, best_epoch

if TYPE_CHECKING:
    from kextract.storage import CheckpointInfo

_NOT_FACTS = frozenset({"seed", "command", "options"})
"""What of a configuration differs in every run of a study, and what it says twice."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a checkpoint tells of the run that made it."""

    label: str
    """How the run is called; "" takes kind and method: "student (adversarial)"."""
    kind: Literal["teacher", "student"]
    history: tuple[EpochRecord, ...]
    test: Mapping[str, float] = field(default_factory=dict)
    """Metrics on the test images by name."""
    method: str = ""
    """Where a student's images came from; "" for a teacher."""
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    """All that was chosen but the seed, by name: data set, model, method, every option."""
    sha256: str = ""
    """Over the tensors; "" where it is not known."""
    teacher: str = ""
    """The file name of a student's teacher."""
    teacher_sha256: str = ""
    parameters: int | None = None
    """Numbers in the file's tensors, the statistics of batch normalizations included."""

    @classmethod
    def of(cls, label: str, info: "CheckpointInfo", parameters: int | None = None) -> Self:
        """Take what a checkpoint of kextract says about itself."""
        facts = {
            "kind": info.kind,
            "dataset": info.dataset,
            "model": info.model,
            "pooling": info.pooling,
            "input_shape": "x".join(map(str, info.input_shape)),
            "classes": info.classes,
            **_flat(info.config),
            "precision": info.precision,
        }
        return cls(
            label,
            "teacher" if info.kind == "teacher" else "student",
            info.history,
            test=info.test,
            method=str(info.config.get("method", "")),
            seed=info.seed,
            facts=facts,
            sha256=info.sha256,
            teacher=info.teacher or "",
            teacher_sha256=info.teacher_sha256 or "",
            parameters=parameters,
        )

    @property
    def name(self) -> str:
        """The label, or what stands for it."""
        if self.label:
            return self.label
        return f"{self.kind} ({self.method})" if self.method else self.kind

    @property
    def start(self) -> EpochRecord | None:
        """The record of the untrained model, where it was measured."""
        return next((record for record in self.history if record.epoch == 0), None)

    @property
    def judged(self) -> tuple[EpochRecord, ...]:
        """The records that compete for the best: the trained ones, where there are any."""
        return tuple(record for record in self.history if record.epoch > 0) or self.history

    @property
    def kept(self) -> EpochRecord | None:
        """The epoch whose weights are in the file: a teacher's best one, a student's last."""
        if self.kind == "teacher":
            return best_epoch(self.judged)
        return self.judged[-1] if self.judged else None


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Name the options of a configuration and its parts; outer ones hide inner ones."""
    inner: dict[str, Any] = {}
    outer: dict[str, Any] = {}
    for name, value in config.items():
        if name in _NOT_FACTS:
            continue
        if isinstance(value, Mapping):
            inner |= _flat(value)
        else:
            outer[name] = value
    return {**inner, **outer}
