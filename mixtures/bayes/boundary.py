"""What every engine asks of its arguments before any work is done."""

from jax.typing import ArrayLike
from jaxtyping import Array, Float, Key, Real

from mixtures._checks import as_rows, check_callback, check_data, check_key
from mixtures._drivers import OnProgress
from mixtures.bayes.numpyro_model import refuse_flat
from mixtures.model import Mixture, check_model


def admit(
    model: Mixture,
    x: Real[ArrayLike, "N *D"],
    key: Key[Array, ""],
    on_progress: OnProgress | None,
    least_rows: int | None = None,
) -> Float[Array, "N D"]:
    """The data as rows, if a mixture with a proper prior can be fitted to them.

    Raises
    ------
    ValueError
        If an argument is not what it should be, the model has no prior, or there are fewer than `least_rows` rows (as
        many as components, if not given).
    """
    check_model(model)
    check_key(key)
    check_callback("on_progress", on_progress)
    refuse_flat(model)
    data = as_rows(x)
    check_data(data, model.num_components if least_rows is None else least_rows)
    return data
