"""The eight covariance models that share volume, shape or orientation separately.

Σ_k = λ_k Q_k diag(exp a_k) Q_kᵀ with volumes λ, log shapes a that sum to zero, and rotations Q: three arrays, each with
a leading axis of K, or of 1 where components share it. M-steps follow Celeux and Govaert (1995, sections 3 and 4) and,
for a shared orientation, are plane rotations as Flury and Gautschi's (1986). Those without a closed form take a few
rounds from where the last one ended: each raises the expected log-likelihood, so EM stays monotone and has the same
fixed points.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpyro.distributions import constraints

from mixtures._rotations import rotation
from mixtures.families.covariances.base import CovarianceModel, diagonals, inverse_and_log_det, upper_triangles
from mixtures.priors import Slot

_ROUNDS = 4  # of an iterative M-step
_SITES = ("volumes", "log_shapes", "orientations")
_TURNS = 8  # of a shared orientation in each round


class Sharing(NamedTuple):
    """Which parts all components share; None where there is no such part, because the axes are the features."""

    volume: bool | None
    shape: bool | None
    orientation: bool | None


class DecomposedModel(CovarianceModel):
    """Volumes, shapes and orientations, each free or shared."""

    def __init__(self, name: str, code: str):
        self.name, self.code = name, code
        self.sharing = Sharing(*(None if letter == "I" else letter == "E" for letter in code))
        self.cross_products = self.sharing.orientation is not None

    def slots(self, num_components, num_features):
        """Positive volumes, zero-sum log shapes and, unless the axes are the features, rotations."""
        lead = {part: 1 if shared else num_components for part, shared in self.sharing._asdict().items()}
        found = {
            "volumes": Slot(constraints.positive, (lead["volume"],), ()),
            "log_shapes": Slot(constraints.zero_sum(1), (lead["shape"],), (num_features,)),
        }
        if self.cross_products:
            found["orientations"] = Slot(rotation, (lead["orientation"],), (num_features, num_features))
        return found

    def dense(self, spread, num_components, num_features):
        """λ Q diag(exp a) Qᵀ."""
        along = spread["volumes"][..., None] * jnp.exp(spread["log_shapes"])
        along = jnp.broadcast_to(along, (*along.shape[:-2], num_components, num_features))
        if not self.cross_products:
            return along[..., None] * jnp.eye(num_features, dtype=along.dtype)
        return _turn(spread["orientations"], along)

    def variances(self, spread, num_components, num_features):
        """Diagonals of the matrices."""
        return jnp.diagonal(self.dense(spread, num_components, num_features), axis1=-2, axis2=-1)

    def maximise(self, scatter, counts, spread):
        """By the rule of this model's code."""
        return _RULES[self.code](scatter, counts, spread)

    def widest(self, num_components, num_features):
        """Identity matrices."""
        blank = {"volumes": jnp.ones, "log_shapes": jnp.zeros, "orientations": _identities}
        return {name: blank[name](slot.shape) for name, slot in self.slots(num_components, num_features).items()}

    def num_free(self, num_components, num_features):
        """Volumes, D − 1 of each shape and D(D − 1)/2 of each orientation."""
        each = {"volume": 1, "shape": num_features - 1, "orientation": num_features * (num_features - 1) // 2}
        shared = self.sharing._asdict()
        return sum(n * {True: 1, False: num_components, None: 0}[shared[part]] for part, n in each.items())

    def entries(self, num_components, num_features):
        """Every component's matrix: entries differ even where parts are shared."""
        return (upper_triangles if self.cross_products else diagonals)(num_components, num_features)

    def rescale(self, spread, scale):
        """Multiply volumes by the geometric mean of the squared factors (only a common factor keeps the model)."""
        return spread | {"volumes": spread["volumes"] * jnp.exp(2 * jnp.mean(jnp.log(scale)))}

    def permute(self, spread, order):
        """Reorder whatever is not shared."""
        shared: dict[str, bool | None] = dict(zip(_SITES, self.sharing, strict=True))
        return {name: part if shared[name] else part[order] for name, part in spread.items()}


def _identities(shape: tuple[int, ...]) -> Float[Array, "L D D"]:
    return jnp.broadcast_to(jnp.eye(shape[-1]), shape)


def _turn(orientations: Float[Array, "*#K D D"], along: Float[Array, "*#K D"]) -> Float[Array, "*K D D"]:
    """Q diag(v) Qᵀ."""
    return (orientations * along[..., None, :]) @ jnp.swapaxes(orientations, -1, -2)


def _split(v: Float[Array, "*K D"]) -> tuple[Float[Array, " *K"], Float[Array, "*K D"]]:
    """Geometric mean over features, and logarithms about it."""
    log = jnp.log(v)
    mean = jnp.mean(log, axis=-1)
    return jnp.exp(mean), log - mean[..., None]


def _axes(scatter: Float[Array, "*K D D"]) -> tuple[Float[Array, "*K D"], Float[Array, "*K D D"]]:
    """Principal variances, ascending, and the rotation to the principal axes."""
    along, axes = jnp.linalg.eigh(scatter)
    return jnp.maximum(along, 0.0), _as_rotation(axes)


def _as_rotation(axes: Float[Array, "*K D D"]) -> Float[Array, "*K D D"]:
    """The same axes with signs that make them a rotation, near to the identity where they can be."""
    diagonal = jnp.diagonal(axes, axis1=-2, axis2=-1)
    axes = axes * jnp.where(diagonal < 0, -1.0, 1.0)[..., None, :]
    mirrored = jnp.linalg.det(axes) < 0
    least = jnp.argmin(jnp.abs(diagonal), axis=-1)
    flip = mirrored[..., None] & (jnp.arange(axes.shape[-1]) == least[..., None])
    return axes * jnp.where(flip, -1.0, 1.0)[..., None, :]


def _volumes(along: Float[Array, "K D"], counts: Float[Array, " K"], log_shape: Float[Array, "1 D"]):
    """λ_k given a shared shape: tr(W_k C⁻¹) / (D n_k)."""
    return jnp.mean(along * jnp.exp(-log_shape), axis=-1) / counts


def _shared_shape(along, counts, spread):
    """Volumes and one shape for squared deviations along known axes, in rounds."""

    def again(_, log_shape):
        return _split(jnp.sum(along / _volumes(along, counts, log_shape)[:, None], axis=0, keepdims=True))[1]

    log_shape = jax.lax.fori_loop(0, _ROUNDS, again, spread["log_shapes"])
    return {"volumes": _volumes(along, counts, log_shape), "log_shapes": log_shape}


def _own_shapes(along, counts):
    """One volume and own shapes for squared deviations along known axes."""
    sizes, log_shapes = _split(along)
    return {"volumes": jnp.sum(sizes, keepdims=True) / jnp.sum(counts), "log_shapes": log_shapes}


def _vei(scatter, counts, spread):
    return _shared_shape(scatter, counts, spread)


def _evi(scatter, counts, _):
    return _own_shapes(scatter, counts)


def _vee(scatter, counts, spread):
    """One matrix of determinant 1 and K volumes, in rounds."""

    def again(_, matrix):
        inverse, log_det = inverse_and_log_det(matrix)
        num_features = matrix.shape[-1]
        # The determinant need not be 1 here: it is divided out of the volumes.
        volumes = jnp.einsum("kij,ji->k", scatter, inverse) * jnp.exp(log_det / num_features) / counts
        return jnp.sum(scatter / volumes[:, None, None], axis=0)

    start = _turn(spread["orientations"], jnp.exp(spread["log_shapes"]))[0]
    along, axes = _axes(jax.lax.fori_loop(0, _ROUNDS, again, start)[None])
    log_shape = _split(along)[1]
    spun = jnp.einsum("kij,il,jl->kl", scatter, axes[0], axes[0])
    return {"volumes": _volumes(spun, counts, log_shape), "log_shapes": log_shape, "orientations": axes}


def _evv(scatter, counts, _):
    along, axes = _axes(scatter)
    return _own_shapes(along, counts) | {"orientations": axes}


def _eev(scatter, counts, _):
    along, axes = _axes(scatter)
    size, log_shape = _split(jnp.sum(along, axis=0, keepdims=True))
    return {"volumes": size / jnp.sum(counts), "log_shapes": log_shape, "orientations": axes}


def _vev(scatter, counts, spread):
    # Shapes are in the order of ascending axes, which is that of any earlier step but of no other start.
    along, axes = _axes(scatter)
    ordered = {"log_shapes": jnp.sort(spread["log_shapes"], axis=-1)}
    return _shared_shape(along, counts, ordered) | {"orientations": axes}


def _eve(scatter, counts, spread):
    return _shared_axes(scatter, spread["orientations"][0], lambda along: _own_shapes(along, counts))


def _vve(scatter, counts, spread):
    def own(along):
        sizes, log_shapes = _split(along)
        return {"volumes": sizes / counts, "log_shapes": log_shapes}

    return _shared_axes(scatter, spread["orientations"][0], own)


def _shared_axes(scatter, axes, estimate):
    """Parts along shared axes and the axes themselves, in rounds: `estimate` maps squared deviations to parts."""

    def spin(axes):
        return jnp.einsum("kij,il,jl->kl", scatter, axes, axes)

    def again(_, axes):
        parts = estimate(spin(axes))
        along = jnp.broadcast_to(parts["volumes"][:, None] * jnp.exp(parts["log_shapes"]), scatter.shape[:2])
        return _closer_axes(scatter, 1.0 / along, axes)

    axes = jax.lax.fori_loop(0, _ROUNDS, again, axes)
    return estimate(spin(axes)) | {"orientations": _as_rotation(axes)[None]}


def _closer_axes(scatter: Float[Array, "K D D"], precision: Float[Array, "K D"], axes: Float[Array, "D D"]):
    """Lower Σ_k tr(W_k Q P_k Qᵀ) over orthogonal Q by turns in a plane (Flury and Gautschi 1986), each exact.

    In the plane of axes i and j the objective is linear in (cos 2θ, sin 2θ).
    """
    num_features = axes.shape[0]
    pairs = jnp.stack(jnp.triu_indices(num_features, 1), axis=1)

    def turn(axes, pair):
        i, j = pair
        columns = axes[:, pair]
        plane = jnp.einsum("kab,ai,bj->kij", scatter, columns, columns)
        gap = precision[:, i] - precision[:, j]
        # Up to a constant the objective is ½ Σ gap [(W_ii − W_jj) cos 2θ + 2 W_ij sin 2θ].
        across = jnp.sum(gap * (plane[:, 0, 0] - plane[:, 1, 1]))
        between = jnp.sum(gap * 2 * plane[:, 0, 1])
        angle = 0.5 * jnp.arctan2(-between, -across)
        c, s = jnp.cos(angle), jnp.sin(angle)
        turned = jnp.stack([columns[:, 0] * c + columns[:, 1] * s, columns[:, 1] * c - columns[:, 0] * s], axis=1)
        return axes.at[:, pair].set(turned), None

    def sweep(_, axes):
        return jax.lax.scan(turn, axes, pairs)[0]

    return jax.lax.fori_loop(0, _TURNS, sweep, axes)


_RULES = {
    "VEI": _vei,
    "EVI": _evi,
    "VEE": _vee,
    "EVE": _eve,
    "VVE": _vve,
    "EEV": _eev,
    "VEV": _vev,
    "EVV": _evv,
}

DECOMPOSED_MODELS = (
    DecomposedModel("diagonal_equal_shape", "VEI"),
    DecomposedModel("diagonal_equal_volume", "EVI"),
    DecomposedModel("equal_shape_orientation", "VEE"),
    DecomposedModel("equal_volume_orientation", "EVE"),
    DecomposedModel("equal_orientation", "VVE"),
    DecomposedModel("equal_volume_shape", "EEV"),
    DecomposedModel("equal_shape", "VEV"),
    DecomposedModel("equal_volume", "EVV"),
)
