"""What is said to people who know scikit-learn: its names for our arguments, and warnings of their own kinds."""

import re
from collections.abc import Callable
from functools import wraps

_NAMES = {
    "num_components": "n_components",
    "num_starts": "n_init",
    "num_chains": "n_init",
    "max_steps": "max_iter",
    "num_steps": "max_iter",
    "num_warmup": "max_iter",
    "num_samples": "n_draws",
    "atol": "tol",
    "dof": "degrees_of_freedom_prior",
    "objective='map'": "prior='default'",
    "objective='map' needs a prior concentration": "prior needs a concentration",
    "fit_nuts, or objective='ml'": "BayesianGaussianMixture(engine='nuts'), or prior=None",
    "x must": "X must",
}
_OURS = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(_NAMES, key=len, reverse=True)))


class UnboundedLikelihoodWarning(UserWarning):
    """The fit converged, but the likelihood has no maximum: starts climbed towards infinity, or up to a floor."""


class ReadOnly(property):
    """An estimate that follows from the fit, so that it cannot be set beside it."""

    def __set__(self, instance, value):
        """Refuse, and say what to do."""
        raise AttributeError(
            f"{getattr(self.fget, '__name__', 'this')} cannot be set: predictions follow from the fit. For a mixture "
            "of known parameters use mixtures.Mixture and its log_prob, responsibilities and sample; to begin EM "
            "there, weights_init, means_init and precisions_init."
        )


def in_their_words(text: str) -> str:
    """The same sentence with scikit-learn's names of arguments."""
    return _OURS.sub(lambda found: _NAMES[found.group()], text)


def speaking_theirs[**P, T](method: Callable[P, T]) -> Callable[P, T]:
    """The same method, whose errors of value name arguments as scikit-learn does."""

    @wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except ValueError as error:
            if (told := in_their_words(str(error))) == str(error):
                raise
            raise ValueError(told) from error

    return run
