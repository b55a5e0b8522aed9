"""Students of teachers that only answer: questions under a budget, answers from a ledger."""

from kextract.transfer.queries.source import Queries

__all__ = ["Queries"]
