"""Priors written as text, such as ``"mean=Normal(0, 10); scale=LogNormal(1, 0.5); weights=Dirichlet(1)"``.

The text is read as Python syntax but never run: only a NumPyro distribution's name, called with numbers or lists of
numbers, is accepted.
"""

import ast
import difflib
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mixtures.families import AbstractFamily
    from mixtures.priors import AbstractPrior

SITES = ("weights", "mean", "scale", "covariance", "correlation")
EXAMPLE = "mean=Normal(0, 10); scale=LogNormal(1, 0.5); weights=Dirichlet(1)"


class PriorError(ValueError):
    """A prior that cannot be read or used; the message is one sentence: what was wrong and what to write."""


class Call(NamedTuple):
    """A distribution's name with the numbers it is called with, and how it was written."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    text: str


def parse_prior(text: str) -> dict[str, Call]:
    """Read a prior's text, without NumPyro: for each parameter its distribution's name and numbers.

    Raises
    ------
    PriorError
        If the text is anything but distributions of `SITES`, called with numbers and separated by semicolons.
    """
    try:
        statements = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PriorError(f"The prior {text!r} cannot be read; write it like {EXAMPLE!r}.") from error
    calls: dict[str, Call] = {}
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=site)], value=ast.Call(func=ast.Name(id=name)) as call):
                written = ast.unparse(call)
            case _:
                raise PriorError(f"The prior has {ast.unparse(statement)!r}; write it like {EXAMPLE!r}.")
        if site not in SITES:
            near = difflib.get_close_matches(site, SITES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(SITES)}."
            raise PriorError(f"The prior is on {site!r}, which is no parameter; {hint}")
        if site in calls:
            raise PriorError(f"The prior names {site} twice; give each parameter one distribution.")
        if any(keyword.arg is None for keyword in call.keywords):
            raise PriorError(f"The prior has {written!r}; call distributions with numbers or lists of numbers only.")
        kwargs = {str(keyword.arg): _numbers(keyword.value, written) for keyword in call.keywords}
        calls[site] = Call(name, [_numbers(arg, written) for arg in call.args], kwargs, written)
    if "mean" not in calls or ("scale" in calls) == ("covariance" in calls):
        raise PriorError(f"The prior needs a mean and either a scale or a covariance, as in {EXAMPLE!r}.")
    return calls


def _numbers(node: ast.expr, written: str) -> Any:
    """A finite number, or a list of them, from syntax."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and math.isfinite(value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
            return -_numbers(operand, written)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) if elements:
            return [_numbers(element, written) for element in elements]
    raise PriorError(f"The prior has {written!r}; call distributions with numbers or lists of numbers only.")


def build_prior(
    calls: dict[str, Call], family: "AbstractFamily", num_components: int, num_features: int
) -> "AbstractPrior":
    """Make a prior for a mixture from parsed text; weights are uniform, Dirichlet(1), if not named.

    Raises
    ------
    PriorError
        If NumPyro has no such distribution, refuses its numbers, or it does not suit the parameter.
    """
    from mixtures.priors import Independent

    calls = {"weights": Call("Dirichlet", [1.0], {}, "Dirichlet(1)"), **calls}
    calls["weights"] = _spread(calls["weights"], family.num_weights(num_components))
    distributions = {site: _distribution(call) for site, call in calls.items()}
    layout = family.layout(num_components, num_features)
    try:
        prior = Independent(**distributions)
        prior.check(num_components)
        prior.sites(layout)
    except (TypeError, ValueError) as error:
        raise PriorError(f"The prior does not suit this model: {_clause(error)}.") from error
    return prior


def _spread(weights: Call, num_components: int) -> Call:
    """Dirichlet with one concentration for all components."""
    if weights.name != "Dirichlet":
        return weights
    args = [[arg] * num_components if isinstance(arg, int | float) else arg for arg in weights.args]
    kwargs = {k: [v] * num_components if isinstance(v, int | float) else v for k, v in weights.kwargs.items()}
    return weights._replace(args=args, kwargs=kwargs)


def _distribution(call: Call):
    import numpyro.distributions as dist

    known = {name for name in dist.__all__ if isinstance(getattr(dist, name), type)}
    if call.name not in known:
        near = difflib.get_close_matches(call.name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see numpyro.distributions for those there are."
        raise PriorError(f"NumPyro has no distribution {call.name!r}{hint}")
    args, kwargs = [_array(a) for a in call.args], {name: _array(v) for name, v in call.kwargs.items()}
    try:
        getattr(dist, call.name)(*args, **kwargs, validate_args=True)
        return getattr(dist, call.name)(*args, **kwargs)
    except Exception as error:  # whatever a constructor makes of numbers it was not written for
        raise PriorError(f"NumPyro does not accept {call.text} ({_clause(error)}); correct its numbers.") from error


def _clause(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".").replace(". ", "; ")


def _array(value: Any) -> Any:
    return np.asarray(value, float) if isinstance(value, list) else value
