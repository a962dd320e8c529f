"""Agreement between engines: parameters, partitions, densities, and the verdict."""

from mixtures.compare.comparison import Comparison, compare, compare_fits

__all__ = ["Comparison", "compare", "compare_fits"]
