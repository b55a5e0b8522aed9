"""`kextract doctor`: what is installed, and what a run would find here."""

from dataclasses import asdict

from kextract.cli.output import print_table
from kextract.config.requests import DoctorRequest
from kextract.config.resolve import Invocation
from kextract.errors import KextractError

EXAMPLE = "kextract doctor"


def doctor(invocation: Invocation[DoctorRequest]) -> None:
    """Say what is installed, what is computed on, which data is here, and how to get the rest.

    Exits with 1 where something is wrong that runs need.
    """
    from kextract.reports.table import Table, name_cell
    from kextract.runs.doctor import diagnose
    from kextract.text import json_text

    findings = diagnose(invocation.request.machine.data_dir)
    if invocation.request.format == "json":
        print(json_text([asdict(finding) for finding in findings]))
    else:
        rows = tuple(
            tuple(name_cell(value) for value in asdict(finding).values()) for finding in findings
        )
        print_table(Table("", ("what", "found", "status", "advice"), rows))
    problems = [finding for finding in findings if finding.status == "problem"]
    if problems:
        text = "; ".join(f"{finding.what}: {finding.advice}" for finding in problems)
        raise KextractError(f"something is wrong here: {text}")
