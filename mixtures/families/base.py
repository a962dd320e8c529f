"""What a component family must provide for every engine to fit it."""

import abc
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import equinox as eqx
from jaxtyping import Array, Float, Int, Key

from mixtures._kernel import Form, Frame, Rows
from mixtures.families.fixed import Fixed
from mixtures.families.moments import Moments
from mixtures.priors import AbstractPrior, Layout


class AbstractParams(eqx.Module):
    """Parameters of a K-component mixture in constrained space; leading axes (starts, draws) are allowed."""

    weights: eqx.AbstractVar[Float[Array, "*batch W"]]

    @property
    @abc.abstractmethod
    def num_components(self) -> int:
        """K, which does not count noise."""


class FreeEstimate(NamedTuple):
    """One number among the estimates: its printed name, where it stands, its support, and who shares it.

    `features` are the names of the features it is of, none where one feature needs no name or all share it.
    """

    name: str
    key: str
    entry: tuple[int, ...]
    support: Literal["real", "positive", "unit interval"]
    all_components: bool = False
    all_features: bool = False
    noise: bool = False
    features: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Whose it is: a component's, all components', or noise's."""
        return "noise" if self.noise else "all components" if self.all_components else f"component {self.entry[0] + 1}"

    @property
    def spoken(self) -> str:
        """What a sentence calls it."""
        named = [f"feature {name}" if name.isdigit() else name for name in self.features]
        kind = "covariance" if self.support == "real" else "variance"
        kind = kind if self.key == "covariances" else self.key.removesuffix("s")
        return f"the {kind} of {f'{" and ".join(named)} in ' if named else ''}{self.owner}"


class AbstractFamily(eqx.Module):
    """A family of component distributions, such as Gaussians with full covariances.

    `sites` are the parameters by name, as the prior and the NumPyro model see them: ``weights`` and the family's own.
    """

    name: eqx.AbstractClassVar[str]  # as a report calls it

    @property
    @abc.abstractmethod
    def independent(self) -> bool:
        """Whether the features of a component are independent."""

    @abc.abstractmethod
    def layout(self, num_components: int, num_features: int) -> Layout:
        """The sites: support, blocks and shape of each."""

    @abc.abstractmethod
    def num_weights(self, num_components: int) -> int:
        """How many weights, and responsibilities of a row, there are."""

    @abc.abstractmethod
    def num_parameters(self, num_components: int, num_features: int) -> int:
        """Number of free parameters, weights included: the `df` of AIC and BIC."""

    @abc.abstractmethod
    def fix(self, num_components: int, values: Mapping[str, object]) -> Fixed:
        """Parameters to hold, from arrays by site with NaN where free.

        Raises
        ------
        ValueError
            If these parameters cannot be held at these values.
        """

    @abc.abstractmethod
    def params(self, sites: dict[str, Array]) -> AbstractParams:
        """Parameters from their sites."""

    @abc.abstractmethod
    def sites(self, params: AbstractParams) -> dict[str, Array]:
        """Sites from the parameters."""

    @abc.abstractmethod
    def default_prior(self, x: Float[Array, "N D"], num_components: int) -> AbstractPrior:
        """The data-scaled default prior."""

    @abc.abstractmethod
    def form(self, num_features: int, dtype) -> Form:
        """The kernel's form that serves this family best in so many features."""

    @abc.abstractmethod
    def accurate_form(self) -> Form:
        """The kernel's form that stays accurate however narrow a component is."""

    @abc.abstractmethod
    def natural_params(self, params: AbstractParams, frame: Frame) -> Float[Array, "K P"]:
        """Natural parameters in the frame's units, with log weights and all constants in the first column."""

    @abc.abstractmethod
    def log_likelihood(self, params: AbstractParams, rows: Rows) -> Float[Array, ""]:
        """Log-likelihood of the rows, in nats, by the kernel."""

    @abc.abstractmethod
    def log_densities(self, params: AbstractParams, rows: Rows) -> Float[Array, "K N"]:
        """Weighted log density of every row under every component."""

    @abc.abstractmethod
    def e_step(self, params: AbstractParams, rows: Rows) -> tuple[Float[Array, ""], Moments]:
        """Log-likelihood, and the expected statistics of the complete data."""

    @abc.abstractmethod
    def impute(self, params: AbstractParams, rows: Rows) -> tuple[Float[Array, "N D"], Float[Array, "N D"]]:
        """Mean and sd of every value given what is observed of its row, in data units."""

    @abc.abstractmethod
    def expected_log_density(self, params: AbstractParams, moments: Moments) -> Float[Array, ""]:
        """Expected log-likelihood of the complete data, whose maximiser the M-step seeks."""

    @abc.abstractmethod
    def closed_form_m_step(
        self, prior: AbstractPrior, fixed: Fixed, moments: Moments, params: AbstractParams
    ) -> AbstractParams | None:
        """Parameters that maximise the expected log joint, or that raise it from `params` by the family's own rule.

        Those that are `fixed` keep their values.

        None where this prior allows neither.
        """

    @abc.abstractmethod
    def narrowest(self, params: AbstractParams, frame: Frame) -> Float[Array, " K"]:
        """Each component's smallest (conditional) variance, as a fraction of the data's; 0 is collapse."""

    @abc.abstractmethod
    def least_variances(self, params: AbstractParams, frame: Frame) -> Float[Array, " K"]:
        """Each component's smallest variance in any direction, as a fraction of the data's; what a floor bounds."""

    @abc.abstractmethod
    def start(
        self, weights: Float[Array, " K"], means: Float[Array, "K D"], covariances: Float[Array, "K D D"]
    ) -> AbstractParams:
        """Parameters with (nearly) these weights, means and covariances, for EM to start from."""

    @abc.abstractmethod
    def place(self, params: AbstractParams, centres: Float[Array, "K D"], counts: Float[Array, " K"]) -> AbstractParams:
        """Move components with a positive count to `centres`; leading axes are allowed."""

    @abc.abstractmethod
    def locations(self, params: AbstractParams) -> Float[Array, "*batch K D"]:
        """Where each component lies, for ordering and for pictures."""

    @abc.abstractmethod
    def estimates(self, params: AbstractParams) -> dict[str, Array]:
        """What a person reads: every parameter by name, in full, with any leading axes kept."""

    @abc.abstractmethod
    def free_estimates(self, num_components: int, columns: Sequence[str]) -> list[FreeEstimate]:
        """The entries of `estimates` that are free, each once, with a name to print."""

    @abc.abstractmethod
    def marginal_densities(self, params: AbstractParams, feature: int, grid: Float[Array, " G"]) -> Float[Array, " G"]:
        """Density of one feature's marginal at points of a grid."""

    @abc.abstractmethod
    def permute(self, params: AbstractParams, order: Int[Array, " K"]) -> AbstractParams:
        """Parameters of the same mixture with component `order[k]` in place k; no leading axes.

        What follows the K components among the weights stays where it is.
        """

    @abc.abstractmethod
    def rescale(self, params: AbstractParams, frame: Frame) -> AbstractParams:
        """Parameters in data units from parameters in the frame's units."""

    @abc.abstractmethod
    def sample(self, params: AbstractParams, key: Key[Array, ""], num_rows: int) -> tuple[Array, Array]:
        """Rows (num_rows, D) and the component each came from (num_rows,)."""
