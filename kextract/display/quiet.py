"""Nothing on stdout but the path of the file that was made, for `$(...)` in a shell."""

from collections.abc import Sequence

from kextract.display.base import FILES, Display, Outcome, RunHeader, is_terminal, write_line
from kextract.records import EpochRecord
from kextract.text import one_line


class QuietDisplay(Display):
    """Silent until the end; notes still go to stderr."""

    def start(self, header: RunHeader) -> None:
        """Say nothing."""

    def epoch(self, record: EpochRecord) -> None:
        """Say nothing."""

    def finish(self, history: Sequence[EpochRecord], outcome: Outcome) -> None:
        """Write the path of the file that was made, where there is one."""
        for name in outcome.keys() & set(FILES):
            path = str(outcome[name])
            write_line(self.stdout, one_line(path) if is_terminal(self.stdout) else path)
