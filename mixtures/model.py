"""The mixture itself, written down once: every engine fits this value."""

from collections.abc import Sequence
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Integer, Key, Real
from numpyro.distributions import constraints

from mixtures._checks import as_labels, as_rows, as_weights, check_count, check_key, check_type, has_missing
from mixtures._kernel import Rows
from mixtures._rotations import rotation
from mixtures.families import AbstractFamily, AbstractParams, Fixed, Gaussian
from mixtures.families.base import FreeEstimate
from mixtures.priors import AbstractPrior, Flat

_EVERYWHERE = (constraints.real, constraints.real_vector, constraints.positive)
_BY_CONSTRUCTION = (constraints.simplex, constraints.positive_definite, constraints.zero_sum(1), rotation)


def _log_prob(site: dist.Distribution, value: Array) -> Array:
    """Log density of a site, −∞ outside a bounded support, where NumPyro's densities are not defined."""
    support = getattr(site.support, "base_constraint", site.support)
    log_prob = jnp.asarray(site.log_prob(value))
    if any(support == known for known in _EVERYWHERE + _BY_CONSTRUCTION):
        return log_prob
    return jnp.where(jnp.all(cast(constraints.Constraint, site.support)(value)), log_prob, -jnp.inf)


class Mixture(eqx.Module):
    """A finite mixture Σ_k w_k p(x | θ_k) with a prior on (w, θ).

    Parameters
    ----------
    family
        The component family, e.g. ``mx.Gaussian("full")``.
    num_components
        K, at least 1.
    prior
        Prior on weights and component parameters in constrained coordinates; None for none (maximum likelihood only).

    Raises
    ------
    ValueError
        If an argument is of the wrong kind, or `num_components` is not a positive integer.
    """

    family: AbstractFamily
    num_components: int = eqx.field(static=True)
    prior: AbstractPrior
    fixed: Fixed

    def __init__(self, family: AbstractFamily, num_components: int, prior: AbstractPrior | None = None):
        _check_family(family)
        if prior is not None:
            check_type("prior", prior, AbstractPrior, "one of mx.priors")
        self.family = family
        self.num_components = check_count("num_components", num_components)
        self.prior = Flat() if prior is None else prior
        self.prior.check(self.num_components)
        self.fixed = Fixed.nothing()

    @staticmethod
    def for_data(x: Real[ArrayLike, "N *D"], num_components: int, family: AbstractFamily | None = None) -> "Mixture":
        """Make a mixture with the family's default prior, scaled to the data and recorded in the model.

        Parameters
        ----------
        x
            Data, (N,) or (N, D), that set the prior's location and scale.
        num_components
            K, at least 1.
        family
            Component family; full-covariance Gaussians if not given.

        Raises
        ------
        ValueError
            If an argument is wrong, or the family is not for so few features.
        """
        family = Gaussian("full") if family is None else family
        _check_family(family)
        check_count("num_components", num_components)
        x = as_rows(x)
        family.layout(num_components, x.shape[1])
        return Mixture(family, num_components, family.default_prior(x, num_components))

    def without_prior(self) -> "Mixture":
        """Return the same mixture with no prior: its log joint is the log-likelihood."""
        return eqx.tree_at(lambda model: model.prior, self, Flat())

    def for_objective(self, objective: str) -> "Mixture":
        """Return the mixture whose log joint is what EM maximises: without the prior for ``"ml"``."""
        return self if objective == "map" else self.without_prior()

    def with_fixed(self, **values: Real[ArrayLike, "..."]) -> "Mixture":
        """Return the same mixture with some parameters held at given values, by every engine.

        Parameters
        ----------
        **values
            Arrays by name, NaN for each component that is free: `weights` (K,), `means` (K, D), and `covariances` in
            the shape of the covariance model's own parameter: (K, D, D) for full, (K, D) for diagonal, (K,) for
            spherical, the same without K where it is tied. Feature axes may be left out where there is one feature.
            Components with anything held keep their numbers. The prior is taken at the held values.

        Raises
        ------
        ValueError
            If a value does not fit, a component's block is only partly NaN, weights do not leave a mixture, or the
            model holds parameters already.
        """
        if self.fixed.masks:
            held = ", ".join(name for name, _ in self.fixed.masks)
            raise ValueError(f"model already holds its {held}; call with_fixed once, with everything that is held.")
        return eqx.tree_at(lambda model: model.fixed, self, self.family.fix(self.num_components, values))

    def keep_fixed(self, params: AbstractParams) -> AbstractParams:
        """Parameters with the fixed ones put in their places."""
        values = self.family.sites(params)
        return self.family.params({name: self.fixed.keep(name, value) for name, value in values.items()})

    @property
    def distinct(self) -> np.ndarray:
        """Of each component, whether something fixed tells it from the others, so that its label is its own."""
        return self.fixed.distinct(self.num_components)

    def num_parameters(self, num_features: int) -> int:
        """Count free parameters, the `df` of AIC and BIC."""
        return self.family.num_parameters(self.num_components, num_features) - self.fixed.count

    def free_estimates(self, columns: Sequence[str]) -> list[FreeEstimate]:
        """The entries of the family's estimates that are free, each once, with a name to print."""
        free = self.family.free_estimates(self.num_components, columns)
        return [one for one in free if not self.fixed.holds(one.key, one.entry[0])]

    def numbered_estimates(self, num_features: int) -> list[FreeEstimate]:
        """`free_estimates` of features that have no names but are numbered from 1."""
        return self.free_estimates([str(d + 1) for d in range(num_features)])

    def prepare(
        self,
        x: Real[ArrayLike, "N *D"],
        num_starts: int = 1,
        weights: Real[ArrayLike, " N"] | None = None,
        labels: Integer[ArrayLike, " N"] | None = None,
        accurate: bool = False,
    ) -> Rows:
        """Prepare data for the kernel once, before a loop that visits them many times.

        Parameters
        ----------
        x
            Data, (N,) or (N, D); NaN where a value is missing, which is seen only outside of transformations.
        num_starts
            How many starts or draws will be worked on at once.
        weights
            Positive weight of each row; a weight of 2 is the row twice. 1 each if not given.
        labels
            Component (0 to K − 1) that a row is known to come from, −1 where it is not known.
        accurate
            Whether to be accurate however narrow a component is, at some cost, instead of fast.

        Raises
        ------
        ValueError
            If weights or labels do not suit the data.
        """
        x = as_rows(x)
        self.fixed.check(self.family.layout(self.num_components, x.shape[1]))
        weights, labels = (
            as_weights(weights, len(x)),
            as_labels(labels, len(x), self.family.num_weights(self.num_components)),
        )
        form = self.family.accurate_form() if accurate else self.family.form(x.shape[1], x.dtype)
        if labels is None and not has_missing(x):
            return Rows.prepare(x, form, self.num_components, num_starts, weights)
        unknown = np.full(len(x), -1) if labels is None else labels
        return Rows.prepare_grouped(x, form, unknown, weights)

    @eqx.filter_jit  # traced once, however many programs use it
    def log_prior(self, params: AbstractParams) -> Float[Array, ""]:
        """Log prior density at `params`, fully normalised, in (weights, component parameters) coordinates."""
        values = self.family.sites(params)
        num_features = self.family.locations(params).shape[-1]
        layout = self.family.layout(self.num_components, num_features)
        terms = [_log_prob(site(values), values[name]) for name, site in self.prior.sites(layout).items()]
        return jnp.sum(jnp.stack(terms))

    def log_likelihood(self, params: AbstractParams, x: Real[ArrayLike, "N *D"] | Rows) -> Float[Array, ""]:
        """Log-likelihood Σ_n log Σ_k w_k p(x_n | θ_k), in nats; rows that were prepared with weights count by them."""
        rows = x if isinstance(x, Rows) else self.prepare(x)
        return self.family.log_likelihood(params, rows)

    def log_joint(self, params: AbstractParams, x: Real[ArrayLike, "N *D"] | Rows) -> Float[Array, ""]:
        """Log-likelihood plus log prior: the log posterior density up to the evidence."""
        return self.log_likelihood(params, x) + self.log_prior(params)

    def log_prob(self, params: AbstractParams, x: Real[ArrayLike, "N *D"] | Rows) -> Float[Array, " N"]:
        """Log density of each row under the mixture."""
        return jax.nn.logsumexp(self._log_densities(params, x), axis=0)

    def responsibilities(self, params: AbstractParams, x: Real[ArrayLike, "N *D"] | Rows) -> Float[Array, "N W"]:
        """Probability that each row came from each component (and, last, from noise), rows summing to one."""
        return self.component_responsibilities(params, x).T

    def component_responsibilities(
        self, params: AbstractParams, x: Real[ArrayLike, "N *D"] | Rows
    ) -> Float[Array, "W N"]:
        """Responsibilities in the kernel's layout, one row a component."""
        return jax.nn.softmax(self._log_densities(params, x), axis=0)

    def _log_densities(self, params: AbstractParams, x: Real[ArrayLike, "N *D"] | Rows) -> Float[Array, "K N"]:
        rows = x if isinstance(x, Rows) else self.prepare(x)
        return self.family.log_densities(params, rows)

    def impute(
        self, params: AbstractParams, x: Real[ArrayLike, "N *D"]
    ) -> tuple[Float[Array, "N D"], Float[Array, "N D"]]:
        """Fill in missing values (NaN) by their conditional expectations.

        Returns
        -------
        values, sd
            The data with missing values replaced by their means given what is observed of their rows, and the standard
            deviations of these, 0 where a value was observed. Both are conditional on the parameters.

        Raises
        ------
        ValueError
            If `x` is no array of rows, or does not suit what is fixed.
        """
        x = as_rows(x)
        missing = np.isnan(np.asarray(x))
        if not missing.any():
            return x, jnp.zeros_like(x)
        values, sd = self.family.impute(params, self.prepare(x))
        return jnp.where(missing, values, x), jnp.where(missing, sd, 0.0)

    def sample_prior(self, key: Key[Array, ""], num_features: int) -> AbstractParams:
        """Draw parameters from the prior; what is fixed keeps its value.

        Raises
        ------
        ValueError
            If there is no prior, or it is not for so many features.
        """
        check_key(key)
        if isinstance(self.prior, Flat):
            raise ValueError("model must have a proper prior to draw from, got none.")
        sites = self.prior.sites(self.family.layout(self.num_components, check_count("num_features", num_features)))
        values: dict[str, Array] = {}
        for own, (name, site) in zip(jax.random.split(key, len(sites)), sites.items(), strict=True):
            values[name] = jnp.asarray(site(values).sample(own))
        return self.keep_fixed(self.family.params(values))

    def sample(self, params: AbstractParams, key: Key[Array, ""], num_rows: int) -> tuple[Array, Array]:
        """Draw rows (num_rows, D) and the component each came from (num_rows,)."""
        check_key(key)
        return _sample(self.family, params, key, check_count("num_rows", num_rows))


@eqx.filter_jit
def _sample(family: AbstractFamily, params: AbstractParams, key: Key[Array, ""], num_rows: int):
    return family.sample(params, key, num_rows)


def _check_family(family) -> None:
    check_type("family", family, AbstractFamily, 'a component family such as mx.Gaussian("full")')


def check_model(model) -> None:
    """Refuse anything but a mixture.

    Raises
    ------
    ValueError
        If it is something else.
    """
    check_type("model", model, Mixture, 'a mixture such as mx.Mixture(mx.Gaussian("full"), 2)')
