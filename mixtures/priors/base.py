"""What every prior provides: named sites, each a NumPyro distribution given the values drawn before it."""

import abc
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import numpyro.distributions as dist
from jaxtyping import Array
from numpyro.distributions import constraints

Sites = dict[str, Callable[[dict[str, Array]], dist.Distribution]]


class Slot(NamedTuple):
    """One parameter of a family: `batch` many blocks of shape `block`, with a NumPyro constraint on (parts of) each."""

    support: constraints.Constraint
    batch: tuple[int, ...]
    block: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole parameter."""
        return (*self.batch, *self.block)


class Layout(NamedTuple):
    """A family's parameters by name, as a prior must know them.

    `spreads` makes from their values the covariances (K, D, D) or variances (K, D) of the components, on which a prior
    of means may depend.
    """

    slots: dict[str, Slot]
    spreads: Callable[[dict[str, Array]], Array]


class AbstractPrior(eqx.Module):
    """A prior over the parameters of a mixture whose components are exchangeable."""

    @abc.abstractmethod
    def sites(self, layout: Layout) -> Sites:
        """Name each parameter's distribution, in the order they are drawn.

        Raises
        ------
        ValueError
            If the prior does not suit the parameters that `layout` describes.
        """

    def check(self, num_components: int) -> None:
        """Refuse a prior that cannot be one of so many exchangeable components."""

    @abc.abstractmethod
    def describe(self) -> dict[str, object]:
        """Say what this prior is, in plain values that can be written to JSON."""


class Flat(AbstractPrior):
    """No prior: the log joint is the log-likelihood, and its maximum is maximum likelihood. Not for sampling."""

    def sites(self, layout: Layout) -> Sites:
        """Improper uniform distributions over each parameter's support."""
        improper = {}
        for name, (support, batch, block) in layout.slots.items():
            shape, axes = (*batch, *block), len(batch) + len(block) - support.event_dim
            improper[name] = dist.ImproperUniform(support, shape[:axes], shape[axes:])
        return {name: (lambda _, d=d: d.to_event(len(d.batch_shape))) for name, d in improper.items()}

    def describe(self) -> dict[str, object]:
        """Say that there is no prior."""
        return {"name": "flat"}
