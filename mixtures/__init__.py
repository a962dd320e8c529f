from mixtures import priors
from mixtures.families import Gaussian
from mixtures.model import Mixture
from mixtures._status import Status
from mixtures.em.fit import fit_em
