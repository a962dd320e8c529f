"""The works that the methods paragraph may cite, by author and year."""

WORKS = {
    "Binder 1978": "Binder DA (1978). Bayesian cluster analysis. Biometrika 65, 31–38. doi:10.1093/biomet/65.1.31",
    "Bradbury et al. 2018": "Bradbury J, Frostig R, Hawkins P, et al. (2018). JAX: composable transformations of "
    "Python+NumPy programs. https://github.com/jax-ml/jax",
    "Burman 1989": "Burman P (1989). A comparative study of ordinary cross-validation, v-fold cross-validation and "
    "the repeated learning-testing methods. Biometrika 76, 503–514. doi:10.1093/biomet/76.3.503",
    "Dempster et al. 1977": "Dempster AP, Laird NM, Rubin DB (1977). Maximum likelihood from incomplete data via the "
    "EM algorithm. J. Royal Statistical Society B 39, 1–38. doi:10.1111/j.2517-6161.1977.tb01600.x",
    "Efron 1979": "Efron B (1979). Bootstrap methods: another look at the jackknife. Ann. Statistics 7, 1–26. "
    "doi:10.1214/aos/1176344552",
    "Fraley and Raftery 2007": "Fraley C, Raftery AE (2007). Bayesian regularization for normal mixture estimation "
    "and model-based clustering. J. Classification 24, 155–181. doi:10.1007/s00357-007-0004-5",
    "Gelman et al. 1996": "Gelman A, Meng X-L, Stern H (1996). Posterior predictive assessment of model fitness via "
    "realized discrepancies. Statistica Sinica 6, 733–807",
    "Hoffman and Gelman 2014": "Hoffman MD, Gelman A (2014). The No-U-Turn sampler: adaptively setting path lengths "
    "in Hamiltonian Monte Carlo. J. Machine Learning Research 15, 1593–1623. doi:10.48550/arXiv.1111.4246",
    "Hubert and Arabie 1985": "Hubert L, Arabie P (1985). Comparing partitions. J. Classification 2, 193–218. "
    "doi:10.1007/BF01908075",
    "Kallioinen et al. 2024": "Kallioinen N, Paananen T, Bürkner P-C, Vehtari A (2024). Detecting and diagnosing "
    "prior and likelihood sensitivity with power-scaling. Statistics and Computing 34, 57. "
    "doi:10.1007/s11222-023-10366-5",
    "Kiefer and Wolfowitz 1956": "Kiefer J, Wolfowitz J (1956). Consistency of the maximum likelihood estimator in "
    "the presence of infinitely many incidental parameters. Ann. Mathematical Statistics 27, 887–906. "
    "doi:10.1214/aoms/1177728066",
    "Kingma et al. 2016": "Kingma DP, Salimans T, Jozefowicz R, Chen X, Sutskever I, Welling M (2016). Improved "
    "variational inference with inverse autoregressive flow. NeurIPS 29. doi:10.48550/arXiv.1606.04934",
    "Kucukelbir et al. 2017": "Kucukelbir A, Tran D, Ranganath R, Gelman A, Blei DM (2017). Automatic "
    "differentiation variational inference. J. Machine Learning Research 18(14), 1–45. doi:10.48550/arXiv.1603.00788",
    "Kullback and Leibler 1951": "Kullback S, Leibler RA (1951). On information and sufficiency. Ann. Mathematical "
    "Statistics 22, 79–86. doi:10.1214/aoms/1177729694",
    "Meilă 2007": "Meilă M (2007). Comparing clusterings—an information based distance. J. Multivariate Analysis 98, "
    "873–895. doi:10.1016/j.jmva.2006.11.013",
    "Phan et al. 2019": "Phan D, Pradhan N, Jankowiak M (2019). Composable effects for flexible and accelerated "
    "probabilistic programming in NumPyro. doi:10.48550/arXiv.1912.11554",
    "Stephens 2000": "Stephens M (2000). Dealing with label switching in mixture models. J. Royal Statistical "
    "Society B 62, 795–809. doi:10.1111/1467-9868.00265",
    "Tierney and Kadane 1986": "Tierney L, Kadane JB (1986). Accurate approximations for posterior moments and "
    "marginal densities. J. American Statistical Association 81, 82–86. doi:10.1080/01621459.1986.10478240",
    "Varadhan and Roland 2008": "Varadhan R, Roland C (2008). Simple and globally convergent methods for "
    "accelerating the convergence of any EM algorithm. Scandinavian J. Statistics 35, 335–353. "
    "doi:10.1111/j.1467-9469.2007.00585.x",
    "Vehtari et al. 2017": "Vehtari A, Gelman A, Gabry J (2017). Practical Bayesian model evaluation using "
    "leave-one-out cross-validation and WAIC. Statistics and Computing 27, 1413–1432. doi:10.1007/s11222-016-9696-4",
    "Vehtari et al. 2021": "Vehtari A, Gelman A, Simpson D, Carpenter B, Bürkner P-C (2021). Rank-normalization, "
    "folding, and localization: an improved R-hat for assessing convergence of MCMC. Bayesian Analysis 16, 667–718. "
    "doi:10.1214/20-BA1221",
    "Wade and Ghahramani 2018": "Wade S, Ghahramani Z (2018). Bayesian cluster analysis: point estimation and "
    "credible balls. Bayesian Analysis 13, 559–626. doi:10.1214/17-BA1073",
    "White 1982": "White H (1982). Maximum likelihood estimation of misspecified models. Econometrica 50, 1–25. "
    "doi:10.2307/1912526",
    "Wilson 1927": "Wilson EB (1927). Probable inference, the law of succession, and statistical inference. J. "
    "American Statistical Association 22, 209–212. doi:10.1080/01621459.1927.10502953",
    "Yao et al. 2018": "Yao Y, Vehtari A, Simpson D, Gelman A (2018). Yes, but did it work?: Evaluating variational "
    "inference. ICML. doi:10.48550/arXiv.1802.02538",
    "Zhang et al. 2022": "Zhang L, Carpenter B, Gelman A, Vehtari A (2022). Pathfinder: parallel quasi-Newton "
    "variational inference. J. Machine Learning Research 23(306), 1–49. doi:10.48550/arXiv.2108.03782",
}
