"""Names and doubts as a person reads them."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mixtures.bayes.diagnostics import MAX_RHAT, MIN_ESS_PER_CHAIN
from mixtures.bayes.vi import MAX_KHAT
from mixtures.families.base import FreeEstimate
from mixtures.model import Mixture

GOOD_KHAT = 0.5  # Vehtari et al. 2024, section 3.2.4: below it the estimate's variance is finite
_LONGEST_TITLE = 24


class Parameter(NamedTuple):
    """One free parameter: where it stands among the estimates, and what to call it."""

    free: FreeEstimate
    group: str  # parameters of one group share a scale
    label: str  # within its group
    title: str  # on its own, short


def parameters(model: Mixture, columns: Sequence[str]) -> list[Parameter]:
    """Name every free parameter, in the order of the agreement table."""
    return [_named(free) for free in model.free_estimates(columns)]


def _named(free: FreeEstimate) -> Parameter:
    who, named = free.owner, free.features
    if len(named) == 2:
        return Parameter(free, "Covariances", f"{who}, {' × '.join(named)}", _title("cov", who, named))
    kind = "variances" if free.key == "covariances" else free.key
    group = kind.capitalize() + "".join(f" of {name}" for name in named)
    return Parameter(free, group, who, _title(kind.removesuffix("s"), who, named))


def _title(kind: str, who: str, features: tuple[str, ...]) -> str:
    which = f"{kind} {who.removeprefix('component ')}"
    return short(", ".join([which, *features[:1]]) + "".join(f" × {f}" for f in features[1:]))


def short(text: str, most: int = _LONGEST_TITLE) -> str:
    """The text, cut to what a figure has room for."""
    return text if len(text) <= most else text[: most - 1] + "…"


def by_group[T](items: Iterable[T], group_of: Callable[[T], str]) -> dict[str, list[T]]:
    """Items by group in order of first appearance, covariances last."""
    groups: dict[str, list[T]] = {}
    for item in sorted(items, key=lambda item: group_of(item) == "Covariances"):
        groups.setdefault(group_of(item), []).append(item)
    return groups


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
