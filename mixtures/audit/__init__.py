"""Finding the bug in somebody else's EM: their steps, their fit or their solution held against the mathematics."""

from mixtures.audit.findings import Audit, Finding
from mixtures.audit.run import audit

__all__ = ["Audit", "Finding", "audit"]
