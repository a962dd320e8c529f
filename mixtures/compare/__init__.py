"""Agreement of EM with variational inference and NUTS, the calibration of each, and the verdict."""

from mixtures.compare.calibrate import calibrate
from mixtures.compare.comparison import Comparison, compare, compare_fits
from mixtures.compare.coverage import Calibration
from mixtures.compare.sweep import Sweep, sweep

__all__ = ["Calibration", "Comparison", "Sweep", "calibrate", "compare", "compare_fits", "sweep"]
