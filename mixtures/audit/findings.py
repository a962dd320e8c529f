"""What an audit says: findings, each with its evidence, its likely cause and the fix, in words."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mixtures._cards import Card, Shown

if TYPE_CHECKING:
    from pandas import DataFrame

CODES = (  # in the order to mend them: causes before what follows from them
    "responsibilities-wrong-axis",
    "responsibilities-not-normalised",
    "responsibilities-wrong",
    "weights-ignored",
    "variance-scale",
    "underflow",
    "not-finite",
    "m-step-not-maximiser",
    "weights-not-normalised",
    "identical-components",
    "likelihood-decreases",
    "not-stationary",
    "better-mode",
    "unbounded-likelihood",
)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that must be known.

    `code` is its name for programs, one of `CODES`; the others are sentences: `message` what is the matter, `evidence`
    the numbers that show it, `cause` what is likely behind it, `fix` what to do. `fault` is False for what is a fact of
    the data or a choice of the program, and not wrong with it.
    """

    code: str
    message: str
    evidence: str
    cause: str
    fix: str
    fault: bool = True

    @property
    def title(self) -> str:
        """Its name, and whether it is no fault."""
        return self.code if self.fault else f"{self.code} (no fault)"

    def __str__(self) -> str:
        return f"{self.title}: {self.message}\n  Evidence: {self.evidence}\n  Cause: {self.cause}\n  Fix: {self.fix}"


@dataclass(frozen=True)
class Audit(Shown):
    """What was found in a program or a solution, in the order to mend it; nothing where all is well.

    `subject` says what was looked at, in words.
    """

    findings: tuple[Finding, ...]
    subject: str

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, each once."""
        return tuple(dict.fromkeys(finding.code for finding in self.findings))

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are faults of the program or solution."""
        return tuple(finding for finding in self.findings if finding.fault)

    @property
    def summary(self) -> str:
        """How much was found, in a sentence."""
        count, faults = len(self.findings), len(self.faults)
        of_these = f", {faults or 'none'} of them {'a fault' if faults < 2 else 'faults'}" if faults < count else ""
        return f"{count or 'No'} finding{'' if count == 1 else 's'} in {self.subject}{of_these}."

    def __str__(self) -> str:
        return "\n\n".join([self.summary, *map(str, self.findings)])

    def card(self) -> Card:
        """Every finding with its fix."""
        rows = [(f.title, f.message, f.fix) for f in self.findings]
        return Card(f"Audit: {self.summary}", [], ("finding", "what is the matter", "what to do"), rows)

    def to_frame(self) -> "DataFrame":
        """A row for every finding."""
        import pandas as pd

        return pd.DataFrame([asdict(f) for f in self.findings], columns=list(Finding.__dataclass_fields__))

    def to_json(self) -> str:
        """The findings as JSON."""
        value = {"subject": self.subject, "findings": [asdict(f) for f in self.findings]}
        return json.dumps(value, indent=2, ensure_ascii=False)

    def to_markdown(self) -> str:
        """The findings as a page."""
        parts = [f"# Audit of {self.subject}", self.summary]
        for number, f in enumerate(self.findings, 1):
            parts += [
                f"## {number}. `{f.code}`{'' if f.fault else ' (no fault)'}",
                f.message,
                f"- **Evidence.** {f.evidence}\n- **Likely cause.** {f.cause}\n- **Fix.** {f.fix}",
            ]
        return "\n\n".join(parts) + "\n"


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Findings in the order to mend them."""
    return tuple(sorted(findings, key=lambda finding: CODES.index(finding.code)))
