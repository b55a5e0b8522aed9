"""What is kept of a run while it goes on, so that a stopped one is not lost."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kextract.config import DistillConfig, TeacherConfig
from kextract.config.option import flag, table
from kextract.config.training import FORMER_NAMES
from kextract.datasets.images import Images
from kextract.errors import (
    CheckpointError,
    KextractError,
    NonFiniteError,
    RequestError,
    StorageError,
)
from kextract.records import Snapshot
from kextract.storage import check_writable, sha256_of_tensors
from kextract.storage.atomic import reason
from kextract.storage.resume import Kept, Request, read_resume, resume_path, write_resume
from kextract.storage.run_lock import run_lock

_DEFAULTS = {
    flag(name): entry.default
    for name, entry in {**table(TeacherConfig), **table(DistillConfig)}.items()
}
_FORMER_DEFAULTS = {"--leaves": 32768, "--query-choice": 12, "--mixup": 0.0}
"""What earlier versions kept of an option that is gone, or now chosen by images or questions."""
_FORMER_FLAGS = {flag(former): flag(name) for former, name in FORMER_NAMES.items()}


class ResumeStore:
    """Keeps the last finished epoch of one run beside its output."""

    def __init__(
        self,
        output: Path,
        earlier: Kept | None,
        command: str,
        *,
        extended: bool = False,
        ledger: Path | None = None,
    ) -> None:
        self._output = output
        self._ledger = ledger
        self._command = command
        self._extended = extended
        self._path = resume_path(output)
        self._earlier = earlier
        self._request: Request = {}
        self._epochs = earlier.snapshot.history[-1].epoch if earlier else 0
        self._began = self._ended = False

    @property
    def earlier_request(self) -> Request | None:
        """What the unfinished run was asked for; None where there is none to continue."""
        return self._earlier.request if self._earlier else None

    def begin(self, request: Request, epochs: int) -> Snapshot | None:
        """Return where to continue, or None to begin anew.

        `request` names all options that the result depends on. Raises RequestError where the
        unfinished run was asked for something else, or has more than `epochs` epochs already.
        Without an earlier run to continue, one that is still kept is replaced from here on.
        """
        if self._earlier:
            self._check(self._earlier.request, request, epochs)
        else:
            self._give_up()
        self._request = request
        self._began = True
        return self._earlier.snapshot if self._earlier else None

    def keep(self, snapshot: Snapshot) -> None:
        """Keep the end of an epoch, in place of the one before."""
        write_resume(self._path, snapshot, self._request)
        self._epochs = snapshot.history[-1].epoch

    def end(self, *, extendable: bool = False) -> None:
        """Give up what was kept, unless the run may be extended: the checkpoint is written."""
        self._ended = True
        if not extendable:
            self._give_up()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Add to whatever stops the run what was kept of it."""
        try:
            yield
        except KeyboardInterrupt as stop:
            stop.args = (self._outcome(),)
            raise
        except NonFiniteError as error:
            # To continue the same options would only lead here again.
            advice = f"{self._kept()}; --overwrite starts over" if self._epochs else self._kept()
            error.args = (f"{error}; {advice}",)
            raise
        except KextractError as error:
            # To continue with what does not fit would only lead here again.
            if self._began and not isinstance(error, CheckpointError):
                error.args = (f"{error}; {self._outcome(str(error))}",)
            raise

    def _give_up(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove '{self._path}': {reason(error)}") from error

    def _outcome(self, said: str = "") -> str:
        """Say what is there now, but for what is `said` already."""
        if self._ended:
            return f"'{self._output}' was written"
        kept = self._kept(said)
        return f"{kept}; to continue: {self._command} --resume" if self._epochs else kept

    def _kept(self, said: str = "") -> str:
        # The folder may have been deleted under the run.
        if not self._path.exists():
            self._epochs = 0
        if not self._epochs:
            responses = self._responses()
            if responses is None:
                return "nothing was kept"
            rest = "no epoch was finished; the same command asks for the rest only"
            return rest if responses in said else f"{responses}; {rest}"
        epochs = "epoch 1 is" if self._epochs == 1 else f"epochs 1 to {self._epochs} are"
        return f"{epochs} kept"

    def _responses(self) -> str | None:
        """Say what the teacher was asked and answered so far, which no other run has to ask for."""
        from kextract.teachers.ledger import Ledger, kept_in

        if self._ledger is None or not self._ledger.exists():
            return None
        try:
            with Ledger(self._ledger, read_only=True) as ledger:
                return kept_in(ledger.path, ledger.counts) if ledger.counts.answered else None
        except KextractError:  # It was deleted, or is another file now: there is nothing to say.
            return None

    def _check(self, kept: Request, asked: Request, epochs: int) -> None:
        kept = {_FORMER_FLAGS.get(name, name): value for name, value in kept.items()}
        for name in {**kept, **asked}:
            # An older version had fewer options, and did what is the default of a newer one.
            earlier = kept.get(name, _DEFAULTS.get(name))
            if earlier == _FORMER_DEFAULTS.get(name) and asked.get(name) is None:
                continue
            if earlier != asked.get(name):
                raise RequestError(
                    f"--resume: the unfinished run of '{self._output}' has"
                    f" {_option(name, kept)}, but {_option(name, asked)} was asked for: continue"
                    " the same, or start over with --overwrite and without --resume"
                )
        if self._extended and epochs == self._epochs:
            raise RequestError(
                f"--resume: '{self._output}' is finished, with {epochs} epochs; --epochs asks for"
                " more"
            )
        if epochs < self._epochs:
            raise RequestError(
                f"--epochs {epochs}: the unfinished run of '{self._output}' has {self._epochs}"
                " epochs already"
            )


@contextmanager
def reserved(
    output: Path, *, resume: bool, overwrite: bool, command: str, ledger: Path | None = None
) -> Iterator[ResumeStore]:
    """Reserve an output for one run and keep the run's epochs beside it.

    Raises RequestError, before any work, for an output that cannot be written or that another run
    is writing; for an unfinished run of it, unless to `resume` or to `overwrite`; and for nothing
    to `resume`. A finished run is resumed where it was kept as one to be extended. `command` makes
    the run, without `--resume`; `ledger` is where it keeps what a teacher answers.
    """
    finished = resume and os.path.exists(output)  # noqa: PTH110
    if finished and not os.path.exists(resume_path(output)):  # noqa: PTH110
        raise RequestError(
            f"--resume: '{output}' is finished, there is nothing to continue; only what was begun"
            " with --extendable can be trained further"
        )
    check_writable(output, overwrite or finished)
    with run_lock(output):
        earlier = earlier_run(output, resume=resume, overwrite=overwrite)
        extended = finished and not overwrite
        store = ResumeStore(output, earlier, command, extended=extended, ledger=ledger)
        with store.explained():
            yield store


def comparable(config: TeacherConfig | DistillConfig) -> dict[str, Any]:
    """Name the values of a configuration by their flags, as `Request` holds them."""
    values = asdict(config)
    values |= values.pop("inversion", {}) | values.pop("queries", {})
    epochs = values.pop("epochs")
    if config.schedule != "constant":
        # Otherwise a longer run begins as a shorter one does.
        values["epochs"] = epochs
    return {flag(name): value for name, value in values.items()}


def images_sha256(*parts: Images | None) -> str | None:
    """Hash labelled images: a run on others is another run. None where there are none."""
    arrays = {
        f"{place}/{name}": array
        for place, part in enumerate(parts)
        if part is not None
        for name, array in (("x", part.x), ("y", part.y))
    }
    return sha256_of_tensors(arrays) if arrays else None


def earlier_run(output: Path, *, resume: bool, overwrite: bool) -> Kept | None:
    """Return what is kept of an output's unfinished run, where it is to be continued.

    Raises RequestError where there is one and nothing says what to do with it, or none to `resume`.
    """
    path = resume_path(output)
    if not os.path.lexists(path):
        if resume:
            raise RequestError(
                f"--resume: there is no unfinished run of '{output}'; leave --resume out to begin"
                " one"
            )
        return None
    if overwrite and not resume:
        return None
    try:
        earlier = read_resume(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; start over with --overwrite") from error
    if not resume:
        done = earlier.snapshot.history[-1].epoch
        raise RequestError(
            f"an unfinished run of '{output}' is kept, with {done} epoch{'s' * (done > 1)}:"
            " pass --resume to continue, or --overwrite to start over"
        )
    return earlier


def _option(name: str, request: Request) -> str:
    value = request.get(name)
    if value is None:
        return f"no {name}"
    if isinstance(value, bool):
        return f"{name} {'on' if value else 'off'}"
    return f"{name} {value}"
