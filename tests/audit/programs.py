"""EM for one feature as people write it, right and with each of six faults."""

import numpy as np
from scipy.special import logsumexp


def log_density(x, mean, variance):
    return -0.5 * ((x[:, None] - mean) ** 2 / variance + np.log(2 * np.pi * variance))


def right_e_step(x, params):
    joint = np.log(params["weights"]) + log_density(x, params["means"], params["variances"])
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))


def right_m_step(x, resp):
    counts = resp.sum(axis=0)
    means = resp.T @ x / counts
    variances = (resp * (x[:, None] - means) ** 2).sum(axis=0) / counts
    return {"weights": counts / len(x), "means": means, "variances": variances}


def sd_e_step(x, params):
    return right_e_step(x, params | {"variances": np.sqrt(params["variances"])})


def axis_e_step(x, params):
    joint = np.log(params["weights"]) + log_density(x, params["means"], params["variances"])
    return np.exp(joint - logsumexp(joint, axis=0, keepdims=True))


def linear_e_step(x, params):
    joint = params["weights"] * np.exp(log_density(x, params["means"], params["variances"]))
    return joint / (joint.sum(axis=1, keepdims=True) + 1e-8)


def unweighted_e_step(x, params):
    return right_e_step(x, params | {"weights": np.ones(len(params["weights"]))})


def all_e_step(x, params):
    joint = params["weights"] * np.exp(log_density(x, params["means"], np.sqrt(params["variances"])))
    return joint / (joint.sum(axis=0, keepdims=True) + 1e-8)


def all_m_step(x, resp):
    counts = resp.sum(axis=0) + 1e-8
    means = resp.T @ x / counts
    variances = (resp * (x[:, None] - means) ** 2).sum(axis=0) / counts
    return {"weights": resp.sum(axis=0) / len(x), "means": means, "variances": variances}


def changed_m_step(**changes):
    return lambda x, resp: right_m_step(x, resp) | {name: change(x, resp) for name, change in changes.items()}


def bessel(x, resp):
    right, counts = right_m_step(x, resp), resp.sum(axis=0)
    return right["variances"] * counts / (counts - 1)


def about_all(x, resp):
    return (resp * (x[:, None] - x.mean()) ** 2).sum(axis=0) / resp.sum(axis=0)


def not_finite(x, resp):
    return np.full(resp.shape[1], np.nan)
