"""A run in Python: it advances while it is iterated over."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from kextract import runtime
from kextract.config.option import as_path
from kextract.records import EpochRecord, Event, Note, Snapshot
from kextract.runs.job import Plan, Work, check_workers

if TYPE_CHECKING:
    import keras

    from kextract.storage import CheckpointInfo


class Run:
    """A training that goes on while it is iterated over, and ends at the latest when asked for.

    Iterating yields what happens as it happens: `Progress` after every update, an `EpochRecord`
    after every epoch (0 is the untrained network) and a `Note` where something is worth a line.
    Nothing is printed or written. What makes a run fail is raised again whenever its result is
    asked for; one that was interrupted ends where it was.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._work: Work | None = None
        self._events: Iterator[Event] | None = None
        self._history: list[EpochRecord] = []
        self._info: CheckpointInfo | None = None
        self._plain: keras.Model | None = None
        self._failure: Exception | None = None
        self._ended = ""
        self._numbers = Random(plan.invocation.request.config.seed)

    def __repr__(self) -> str:
        """Say what is taught by what, how far that is, and how good the last epoch was."""
        parts = [self._plan.title, self._place()]
        if self._history:
            last = self._history[-1]
            metrics = {"accuracy": last.accuracy, "agreement": last.agreement}
            metrics["unseen agreement"] = last.details.get("unseen_agreement")
            parts += [f"{name} {v:.3f}" for name, v in metrics.items() if v is not None]
        return f"<kextract run: {', '.join(parts)}>"

    def __iter__(self) -> Iterator[Event]:
        """Continue the training; what was yielded before is not yielded again."""
        while (event := self._next()) is not None:
            if not isinstance(event, Snapshot):
                yield event

    @property
    def model(self) -> "keras.Model":
        """The trained network: float32 images (n, h, w, c) in [-1, 1] to logits (n, k)."""
        return self._finished().model

    @property
    def student(self) -> "keras.Model":
        """A copy of `model` in Keras's own layers and float32, for any use outside of kextract."""
        if self._plain is None:
            model = self.model
            with runtime.as_guest(self._numbers):
                from kextract.models.cloning import plain

                self._plain = plain(model)
        return self._plain

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        """What was measured after each epoch, from epoch 0 on."""
        self._finished()
        return tuple(self._history)

    @property
    def info(self) -> "CheckpointInfo":
        """All that a checkpoint says, `info.test` with the metrics on the test images included."""
        work = self._finished()
        if self._info is None:
            with runtime.as_guest(self._numbers):
                self._info = work.describe(tuple(self._history))
        return self._info

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a checkpoint (.weights.h5), whole or not at all.

        Raises RequestError for a file that exists, and for a network that no checkpoint can hold;
        StorageError where it cannot be written.
        """
        from kextract.storage import check_place, write_checkpoint

        place = as_path(path)
        check_place(place, overwrite)
        info = self.info
        with runtime.as_guest(self._numbers):
            write_checkpoint(place, self.model, info, overwrite=overwrite)

    def _next(self) -> Event | None:
        if self._failure is not None:
            raise self._failure
        try:
            with runtime.as_guest(self._numbers):
                if self._events is None:
                    self._work = self._plan.build()
                    check_workers(self._plan, self._work)
                    self._events = self._all_events(self._work)
                event = next(self._events, None)
        except Exception as error:
            self._failure, self._ended = error, "failed"
            raise
        except BaseException:
            # What has begun cannot be continued in the middle of an update.
            self._ended = "interrupted" if self._events is not None else ""
            raise
        if isinstance(event, EpochRecord):
            self._history.append(event)
        if event is None:
            self._ended = self._ended or "finished"
        return event

    def _all_events(self, work: Work) -> Iterator[Event]:
        yield from map(Note, work.notes)
        yield from work.events(None)
        yield from map(Note, work.last_words(tuple(self._history)))

    def _finished(self) -> Work:
        for _ in self:
            pass
        assert self._work is not None, "iterating makes it"
        return self._work

    def _place(self) -> str:
        if self._work is None:
            return self._ended or "not begun"
        done = self._history[-1].epoch if self._history else 0
        place = f"epoch {done} of {self._work.header.epochs}"
        return f"{self._ended} at {place}" if self._ended else place
