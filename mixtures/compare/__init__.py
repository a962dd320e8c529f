"""Agreement of EM with variational inference and NUTS, the calibration of each, and the verdict."""

from mixtures.compare.calibrate import calibrate
from mixtures.compare.comparison import Comparison, compare, compare_fits
from mixtures.compare.coverage import Calibration

__all__ = ["Calibration", "Comparison", "calibrate", "compare", "compare_fits"]
