"""What every engine asks of its arguments, and every analysis of draws of its own, before any work is done."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real

from mixtures._checks import as_rows, check_callback, check_data, check_key, check_type
from mixtures._drivers import OnProgress
from mixtures._kernel import Rows
from mixtures.bayes.numpyro_model import refuse_flat
from mixtures.bayes.posterior import Posterior
from mixtures.families import AbstractParams
from mixtures.model import Mixture, check_model
from mixtures.starts import check_params

_SAME = 3.0  # square roots of the rounding unit by which log-likelihoods of the same rows may differ, relatively


def admit_model(model: Mixture, key: Key[Array, ""], on_progress: OnProgress | None = None) -> None:
    """Refuse a mixture without a proper prior, and what is no key or no callback."""
    check_model(model)
    check_key(key)
    check_callback("on_progress", on_progress)
    refuse_flat(model)


def admit(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    key: Key[Array, ""],
    on_progress: OnProgress | None,
    reference: AbstractParams | None = None,
    least_rows: int | None = None,
) -> Float[Array, "N D"]:
    """The data as rows, if a mixture with a proper prior can be fitted to them.

    Raises
    ------
    ValueError
        If an argument is not what it should be, the model has no prior, or there are fewer than `least_rows` rows (as
        many as components, if not given).
    """
    admit_model(model, key, on_progress)
    data = as_rows(x)
    check_data(data, model.num_components if least_rows is None else least_rows)
    if reference is not None:
        check_type("reference", reference, AbstractParams, "parameters such as those of an EM fit")
        check_params(model, data.shape[1], reference, "reference")
    return data


def refuse_fixed(model: Mixture, what: str) -> None:
    """Refuse a mixture with fixed parameters: its prior is then not normalised over what is free."""
    if model.fixed.masks:
        raise ValueError(
            f"model has fixed parameters, given which its prior is not normalised: {what} is not available for it; "
            "free them, or use a narrow prior in place of what is fixed."
        )


def admit_draws(posterior: Posterior, x: Real[ArrayLike, "N *D"], *, exact: bool = True) -> Float[Array, "N D"]:
    """The data as rows, if they are what a posterior was fitted to.

    Raises
    ------
    ValueError
        If `posterior` is none, `x` is not the data it was fitted to, or (`exact`) its draws are of an approximation.
    """
    check_draws(posterior, exact=exact)
    data = as_rows(x)
    if data.shape[1] == posterior.model.family.locations(posterior.params).shape[-1]:
        again = float(_first_log_likelihood(posterior.model, posterior.params, posterior.model.prepare(data)))
        told = float(np.asarray(posterior.log_likelihood)[0, 0])
        rounding = float(jnp.finfo(posterior.log_likelihood.dtype).eps) ** 0.5
        if abs(again - told) <= _SAME * rounding * (1 + abs(told)) or not math.isfinite(told):
            return data
    raise ValueError("x must be the data that posterior was fitted to; the log-likelihood of its draws says otherwise.")


@eqx.filter_jit
def _first_log_likelihood(model: Mixture, params: AbstractParams, rows: Rows) -> Float[Array, ""]:
    """That of the first draw of the first chain."""
    return model.log_likelihood(jax.tree.map(lambda leaf: leaf[0, 0], params), rows)


def check_draws(posterior: Posterior, *, exact: bool = True) -> None:
    """Refuse what is no posterior, or (`exact`) only an approximation of one."""
    check_type("posterior", posterior, Posterior, "draws from an engine such as fit_nuts")
    if posterior.log_joint.ndim != 2:
        raise ValueError(
            f"posterior must be one, got a batch of shape {posterior.log_joint.shape[:-2]}: index it first."
        )
    if exact and posterior.info.approximate:
        raise ValueError(
            "posterior must be draws from fit_nuts, fit_gibbs or fit_smc; these are from fit_vi, an approximation, of "
            "which this would not be true."
        )
