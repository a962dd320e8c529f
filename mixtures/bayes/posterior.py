"""What every Bayesian engine returns: relabelled draws, label-free quantities, and diagnostics of both."""

import abc
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from mixtures._cards import Card, Shown
from mixtures._checks import as_rows, check_choice
from mixtures._frames import names_of
from mixtures._kernel import Rows
from mixtures._numbers import percent
from mixtures._status import Status
from mixtures._trees import flatten_draws, map_draws, map_in_blocks
from mixtures.bayes.diagnostics import MAX_RHAT, Diagnostics, Summary, summarise
from mixtures.families import AbstractParams
from mixtures.invariants import invariants
from mixtures.labels import METHODS, Relabelling, canonical_order, relabel
from mixtures.model import Mixture

if TYPE_CHECKING:
    from xarray import DataTree

    from mixtures.data import Data

_POINTWISE_LIMIT = 2**25  # draws × rows of log-likelihood written to a DataTree (256 MB)


class AbstractInfo(eqx.Module):
    """What an engine reports about its own run."""

    engine: ClassVar[str] = "Posterior"  # its name
    approximate: ClassVar[bool] = False  # whether draws are of something else than the posterior

    @abc.abstractmethod
    def num_divergences(self) -> int:
        """Divergent transitions, 0 for engines that have none."""

    @abc.abstractmethod
    def judge(self, diagnostics: Diagnostics) -> tuple[Status, str]:
        """The outcome and, in words, the numbers that decided it."""

    @abc.abstractmethod
    def sample_stats(self) -> dict[str, Float[Array, "C S"]]:
        """Per-draw statistics for the DataTree."""


class Posterior[Info: AbstractInfo](eqx.Module, Shown):
    """Draws from a posterior or its approximation, with leading (chain, draw) axes.

    `params` are relabelled; `log_likelihood` and `log_joint` do not depend on labels. A variational posterior has one
    chain of independent draws. `model` is the mixture that was fitted.
    """

    params: AbstractParams
    log_likelihood: Float[Array, "*batch C S"]
    log_joint: Float[Array, "*batch C S"]
    relabelling: Relabelling
    info: Info
    model: Mixture

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """R-hat, ESS and Monte Carlo errors, of relabelled parameters and of label-free quantities."""
        if self.log_joint.ndim != 2:
            raise ValueError(
                f"diagnostics need one posterior, got a batch of shape {self.log_joint.shape[:-2]}: index it first."
            )
        parameters = {name: summarise(np.asarray(v)) for name, v in self.model.family.estimates(self.params).items()}
        return Diagnostics(parameters, self._label_free, self.info.num_divergences())

    @property
    def status(self) -> Status:
        """The outcome; NOT_CONVERGED when nothing should be concluded from these draws."""
        return self._judged()[0]

    @property
    def reason(self) -> str:
        """The outcome in words, with the numbers that decided it."""
        return self._judged()[1]

    @property
    def caution(self) -> str:
        """What to say beside anything computed from draws that are not to be used; else an empty string."""
        status, reason = self._judged()
        return "" if status.is_estimate else f"Conclude nothing from this: it is of draws that failed. {reason}"

    def _judged(self) -> tuple[Status, str]:
        if self.log_joint.ndim != 2:
            raise ValueError(
                f"A status needs one posterior, got a batch of shape {self.log_joint.shape[:-2]}: index it first."
            )
        return self.info.judge(Diagnostics({}, self._label_free, self.info.num_divergences()))

    @cached_property
    def _label_free(self) -> dict[str, Summary]:
        quantities = {"log_likelihood": self.log_likelihood, "log_joint": self.log_joint} | _invariants(self)
        return {name: summarise(np.asarray(v)) for name, v in quantities.items()}

    def card(self) -> Card:
        """Means, sds and diagnostics of the free parameters, or diagnostics alone where nothing is to be concluded."""
        diagnostics = self.diagnostics
        status, reason = self.info.judge(diagnostics)
        title = f"{self.info.engine}: {status.words}"
        free = self.model.numbered_estimates(self.model.family.locations(self.params).shape[-1])
        found = [(one.name, diagnostics.parameters[one.key].at(one.entry)) for one in free]
        if not status.is_estimate:
            found = [*diagnostics.invariants.items(), *found]
            return Card(title, [reason], ("quantity", "R-hat", "ESS"), [(name, *one.chains) for name, one in found])
        if self.info.approximate:
            rows = [(name, one.average) for name, one in found]
            return Card(title, [reason, self._say_labels()], ("parameter", "mean ± sd"), rows)
        agreed = [bool(one.rhat <= MAX_RHAT) for _, one in found]
        doubt = f"Chains disagree about {agreed.count(False)} of these, which have no mean." if not all(agreed) else ""
        rows = [
            (name, one.average if sound else "–", *one.chains) for (name, one), sound in zip(found, agreed, strict=True)
        ]
        return Card(title, [reason, self._say_labels(), doubt], ("parameter", "mean ± sd", "R-hat", "ESS"), rows)

    def _say_labels(self) -> str:
        if self.model.num_components == 1:
            return ""
        ambiguity = percent(float(self.relabelling.ambiguity))
        return f"Components are relabelled; their labels are ambiguous by {ambiguity} (50 %: arbitrary)."

    def _batch_shape(self) -> tuple[int, ...]:
        return self.log_joint.shape[:-2]

    def to_datatree(self, x: "Real[ArrayLike, 'N *D'] | Data | None" = None) -> "DataTree":
        """Convert to an ArviZ DataTree.

        Parameters
        ----------
        x
            The data that were fitted; features are called as the columns of a table, or of `Data`, are, and numbered
            from 0 otherwise. With them the tree also holds `observed_data` and, unless it would be larger than
            256 MB, the pointwise `log_likelihood`.

        Returns
        -------
        DataTree
            `posterior` (weights, means, covariances; dimensions chain, draw, component, feature, feature_2) and
            `sample_stats` (label-free log_likelihood and log_joint, and the engine's own).
        """
        import arviz as az

        estimates = self.model.family.estimates(self.params)
        groups = {
            "posterior": {name: np.asarray(v) for name, v in estimates.items()},
            "sample_stats": {
                "log_likelihood": np.asarray(self.log_likelihood),
                "log_joint": np.asarray(self.log_joint),
                **{name: np.asarray(v) for name, v in self.info.sample_stats().items()},
            },
        }
        axes = ["component", "feature", "feature_2"]
        dims: dict[str, list[str]] = {name: axes[: v.ndim - 2] for name, v in estimates.items()}
        if x is not None:
            rows = as_rows(x)
            groups["observed_data"] = {"x": np.asarray(rows)}
            dims["x"] = ["row", "feature"]
            if self.log_likelihood.size * rows.shape[0] <= _POINTWISE_LIMIT:
                groups["log_likelihood"] = {"x": np.asarray(self.pointwise_log_likelihood(rows))}
        coords: dict = {"component": np.arange(1, self.model.num_components + 1)}
        if self.model.family.num_weights(self.model.num_components) > self.model.num_components:
            dims["weights"] = ["component_or_noise"]
            coords["component_or_noise"] = np.array([*map(str, coords["component"]), "noise"])
        if (names := names_of(x)) is not None:
            coords |= {axis: list(names) for axis in axes[1:] if any(axis in used for used in dims.values())}
        return az.from_dict(groups, coords=coords, dims=dims)

    def relabelled(self, x: Real[ArrayLike, "N *D"], method: str) -> "Posterior[Info]":
        """The same draws with labels aligned by another method.

        Parameters
        ----------
        x
            The data that were fitted.
        method
            ``"stephens"`` (what the engines use), ``"ecr"`` or ``"ecr_iterative"``; the draw of highest log joint is
            the one they start from.

        Raises
        ------
        ValueError
            If an argument is wrong.
        """
        check_choice("method", method, METHODS)
        params, relabelling = _realign(self, self.model.prepare(as_rows(x)), method)
        original = jnp.take_along_axis(self.relabelling.permutations, relabelling.permutations, axis=-1)
        relabelling = eqx.tree_at(lambda r: r.permutations, relabelling, original)
        return eqx.tree_at(lambda p: (p.params, p.relabelling), self, (params, relabelling))

    def label_agreement(self, x: Real[ArrayLike, "N *D"]) -> dict[str, float]:
        """Share of draws to which each method gives the labels they have: near 1 where labels mean something."""
        own, found = self.relabelling.permutations, {}
        for method in METHODS:
            other = self.relabelled(x, method).relabelling.permutations
            found[method] = float(jnp.mean(jnp.all(other == own, axis=-1)))
        return found

    def pointwise_log_likelihood(self, x: Real[ArrayLike, "N *D"]) -> Float[Array, "C S N"]:
        """Log density of every row under every draw."""
        return self._pointwise(as_rows(x))

    @eqx.filter_jit
    def _pointwise(self, x: Float[Array, "N D"]) -> Float[Array, "C S N"]:
        rows = self.model.prepare(x)
        flat = flatten_draws(self.params)
        values = map_draws(lambda p: self.model.log_prob(p, rows), flat, rows.num_rows * self.model.num_components)
        return values.reshape(*self.log_likelihood.shape, -1)


@eqx.filter_jit
def _invariants(posterior: Posterior) -> dict[str, Float[Array, "C S"]]:
    return jax.vmap(jax.vmap(lambda draw: invariants(posterior.model, draw)))(posterior.params)


@eqx.filter_jit
def _realign(posterior: Posterior, rows: Rows, method: str) -> tuple[AbstractParams, Relabelling]:
    best = jnp.argmax(posterior.log_joint)
    reference = jax.tree.map(lambda leaf: leaf[best], flatten_draws(posterior.params))
    return relabel(posterior.model, rows, posterior.params, reference, method)


def assemble[Info: AbstractInfo](
    model: Mixture,
    rows: Rows,
    params: AbstractParams,
    info: Info,
    reference: AbstractParams | None,
) -> Posterior[Info]:
    """Turn draws of the parameters, with axes (C, S), into a relabelled posterior.

    Labels follow `reference` where it is given, and otherwise the draw of highest log joint in canonical order.
    """
    flat = flatten_draws(params)
    blocked, together = rows.for_draws(model.num_components)

    def densities(draw):
        log_likelihood = model.log_likelihood(draw, blocked)
        return log_likelihood, log_likelihood + model.log_prior(draw)

    log_likelihood, log_joint = map_in_blocks(densities, flat, together)
    if reference is None:
        best = jax.tree.map(lambda leaf: leaf[jnp.argmax(log_joint)], flat)
        reference = model.family.permute(best, canonical_order(model, best))
    relabelled, relabelling = relabel(model, rows, params, reference)
    shape = params.weights.shape[:2]
    return Posterior(relabelled, log_likelihood.reshape(shape), log_joint.reshape(shape), relabelling, info, model)
