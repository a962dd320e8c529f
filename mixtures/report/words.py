"""Numbers and names as a person reads them."""

import math
from typing import NamedTuple

from mixtures.bayes.nuts import MAX_RHAT, MIN_ESS_PER_CHAIN
from mixtures.bayes.vi import MAX_KHAT

GOOD_KHAT = 0.5  # Vehtari et al. 2024, section 3.2.4: below it the estimate's variance is finite


class Parameter(NamedTuple):
    """One entry of the agreement table: where it lies in the estimates, and what to call it."""

    name: str
    site: str
    index: tuple[int, ...]
    group: str  # parameters of one group share a scale
    label: str


def parameters(names: list[str], columns: list[str], num_components: int) -> list[Parameter]:
    """Read the agreement table's names, such as ``"covariances[1, x, y]"``, back into places and words."""
    known = {p.name: p for k in range(num_components) for p in _of_component(k, columns)}
    return [known.get(name, Parameter(name, "", (), "Other", name)) for name in names]


def _of_component(k: int, columns: list[str]) -> list[Parameter]:
    who, several = f"component {k + 1}", len(columns) > 1
    found = [Parameter(f"weights[{k + 1}]", "weights", (k,), "Weights", who)]
    for i, a in enumerate(columns):
        of = f" of {a}" if several else ""
        found.append(Parameter(f"means[{k + 1}, {a}]", "means", (k, i), f"Means{of}", who))
        for j, b in enumerate(columns):
            group = f"Variances{of}" if i == j else "Covariances"
            label = who if i == j else f"{who}, {a} × {b}"
            found.append(Parameter(f"covariances[{k + 1}, {a}, {b}]", "covariances", (k, i, j), group, label))
    return found


def number(value: float | None, digits: int = 4) -> str:
    """A number to `digits` significant digits, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}g}".replace("-", "−").replace("e+0", "e").replace("e−0", "e−").replace("e+", "e")


def fixed(value: float | None, decimals: int) -> str:
    """A number with a fixed number of decimals, or a dash where there is none."""
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "−")


def plus_minus(value: float | None, error: float | None) -> str:
    """``value ± error``, both to two significant digits of the error."""
    if value is None or not error:
        return number(value)
    decimals = 1 - math.floor(math.log10(error))
    if not 0 <= decimals <= 6:
        return f"{number(value)} ± {number(error, 2)}"
    return f"{fixed(value, decimals)} ± {fixed(error, decimals)}"


def percent(share: float) -> str:
    """A share as a percentage; a small one is never rounded to nothing."""
    return "under 1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def trust_khat(khat: float | None) -> str:
    """What a Pareto k-hat says of the variational approximation."""
    if khat is None:
        return "not available: the importance weights are not finite, so the approximation is not to be trusted"
    if khat < GOOD_KHAT:
        return f"below {GOOD_KHAT}: good"
    if khat <= MAX_KHAT:
        return f"between {GOOD_KHAT} and {MAX_KHAT}: usable"
    return f"above {MAX_KHAT}: not to be trusted, above all not its widths"


def doubts(rhat: float | None, ess: float | None, num_chains: int) -> list[str]:
    """In words, what is wrong with a quantity's chains; empty if nothing."""
    needed, found = MIN_ESS_PER_CHAIN * num_chains, []
    if rhat is None:
        found.append("R-hat cannot be computed")
    elif rhat > MAX_RHAT:
        found.append(f"R-hat above {MAX_RHAT}: chains disagree")
    if ess is not None and ess < needed:
        found.append(f"fewer than {needed} effective draws")
    return found
