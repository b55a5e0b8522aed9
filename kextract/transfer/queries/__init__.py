"""Students of black-box teachers: questions under a budget, responses from a ledger."""

from kextract.transfer.queries.source import Queries

__all__ = ["Queries"]
