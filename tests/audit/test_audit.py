"""Each fault is named, alone and together with the others, and nothing is found in a right program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

import mixtures as mx
from mixtures.datasets import load
from tests.audit import programs as p

FAULTS = {
    "wrong axis": (p.axis_e_step, p.right_m_step, {"responsibilities-wrong-axis", "weights-not-normalised"}),
    "sd for variance": (p.sd_e_step, p.right_m_step, {"variance-scale"}),
    "sd returned": (p.right_e_step, p.changed_m_step(variances=lambda x, r: p.right_m_step(x, r)["variances"] ** 0.5),
                    {"variance-scale"}),
    "linear space": (p.linear_e_step, p.right_m_step, {"underflow"}),
    "weights ignored": (p.unweighted_e_step, p.right_m_step, {"weights-ignored"}),
    "n - 1": (p.right_e_step, p.changed_m_step(variances=p.bessel), {"m-step-not-maximiser"}),
    "stale means": (p.right_e_step, p.changed_m_step(variances=p.about_all), {"m-step-not-maximiser"}),
    "weights of k/n": (p.right_e_step, p.changed_m_step(weights=lambda x, r: np.full(r.shape[1], 1 / len(x))),
                       {"weights-not-normalised", "m-step-not-maximiser", "weights-ignored"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal(m, s, 100) for m, s in ((0.0, 1.0), (8.0, 1.5), (20.0, 2.0))])


def start(x):
    return {
        "weights": np.full(3, 1 / 3),
        "means": np.quantile(x, [0.1, 0.5, 0.9]),
        "variances": np.full(3, x.var() / 9),
    }


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(clean, name):
    e_step, m_step, codes = FAULTS[name]
    found = mx.audit(clean, e_step=e_step, m_step=m_step, params=start(clean))
    assert codes <= set(found.codes), str(found)
    assert all(f.message and f.evidence and f.cause and f.fix for f in found.findings)
    own = {"responsibilities-wrong-axis", "variance-scale", "underflow", "weights-ignored", "m-step-not-maximiser"}
    assert own & set(found.codes) <= codes, "no other fault is invented"


def test_variances_about_means_that_are_stale_are_told_apart(clean):
    """About the means that the E-step was given, and about those of the M-step's call before."""
    kept = {}

    def e_step(x, params):
        kept["given"] = params["means"]
        return p.right_e_step(x, params)

    def m_step_about(name):
        def m_step(x, resp):
            new = p.right_m_step(x, resp)
            about = kept.get(name, new["means"])
            kept["own"] = new["means"]
            spread = (resp * (x[:, None] - about) ** 2).sum(axis=0) / resp.sum(axis=0)
            return new | {"variances": spread}

        return m_step

    for name, words in (("given", "before the update, which are stale"), ("own", "an earlier call, which are stale")):
        kept.clear()
        found = mx.audit(clean, e_step=e_step, m_step=m_step_about(name), params=start(clean))
        (fault,) = (one for one in found.faults if one.code == "m-step-not-maximiser")
        assert words in f"{fault.message} {fault.cause}", str(fault)


def test_a_right_program_has_none(clean):
    assert mx.audit(clean, e_step=p.right_e_step, m_step=p.right_m_step, params=start(clean)).findings == ()


def test_components_that_start_identical_are_a_fault_alone(clean):
    begin = start(clean) | {"means": np.array([0.0, 14.0, 14.0])}
    found = mx.audit(clean, e_step=p.right_e_step, m_step=p.right_m_step, params=begin)
    assert [one.message for one in found.faults] == ["Components 2 and 3 start identical and stay so."]


def test_layouts(clean):
    def e_step(x, params):
        weights, means, variances = (np.asarray(part).ravel() for part in params)
        return jnp.asarray(p.right_e_step(x, {"weights": weights, "means": means, "variances": variances}).T)

    def m_step(x, resp):
        return tuple(jnp.asarray(v)[:, None] for v in p.right_m_step(x, np.asarray(resp).T).values())

    params = tuple(jnp.asarray(v)[:, None] for v in start(clean).values())
    assert mx.audit(clean, e_step=e_step, m_step=m_step, params=params).findings == ()


def test_all_faults_together(series):
    params = {"weights": np.full(3, 1 / 3), "means": series[[0, 20, 20]], "variances": np.array([0.3, 0.6, 0.6])}
    found = mx.audit(series, e_step=p.all_e_step, m_step=p.all_m_step, params=params)
    assert {
        "responsibilities-wrong-axis",
        "weights-not-normalised",
        "variance-scale",
        "underflow",
        "identical-components",
        "unbounded-likelihood",
    } <= set(found.codes), str(found)
    assert {"not-stationary", "likelihood-decreases"} & set(found.codes)


@pytest.mark.parametrize("seed", range(3))
def test_scikit_learn_has_none(clean, blobs, seed):
    fitted = GaussianMixture(3, random_state=seed, n_init=3).fit(clean[:, None])
    found = mx.audit(clean, params=(fitted.weights_, fitted.means_, fitted.covariances_))
    assert found.findings == (), str(found)
    found = mx.audit(blobs, fit=lambda x, k: GaussianMixture(k, random_state=seed, n_init=3).fit(x), num_components=3)
    assert found.findings == (), str(found)


def test_solutions(clean):
    fitted = GaussianMixture(3, random_state=0, tol=1e-8).fit(clean[:, None])
    good = {"weights": fitted.weights_, "means": fitted.means_, "variances": fitted.covariances_}
    sds = mx.audit(clean, params=good | {"variances": np.sqrt(good["variances"])})
    assert "variance-scale" in sds.codes
    assert "not-stationary" in mx.audit(clean, params=good | {"means": good["means"] + 1}).codes
    assert "weights-not-normalised" in mx.audit(clean, params=good | {"weights": good["weights"] * 0.1}).codes
    bad = p.right_m_step(clean, np.repeat(np.eye(3), [50, 50, 200], axis=0))
    for _ in range(500):
        bad = p.right_m_step(clean, p.right_e_step(clean, bad))
    assert "better-mode" in mx.audit(clean, params=bad).codes


@pytest.mark.parametrize(("steps", "stationary"), [(3, False), (3000, True)])
def test_a_fixed_number_of_iterations_is_named_where_it_is_too_small(clean, steps, stationary):
    def fit(x, k):
        params = start(x) | {"means": np.array([-1.0, 3.0, 9.0])}
        for _ in range(steps):
            params = p.right_m_step(x, p.right_e_step(x, params))
        return params

    found = mx.audit(clean, fit=fit, num_components=3)
    assert ("not-stationary" not in found.codes) == stationary
    assert not stationary or found.findings == ()


def test_wrong_arguments(clean):
    with pytest.raises(ValueError, match="audit needs"):
        mx.audit(clean)
    with pytest.raises(ValueError, match="no means"):
        mx.audit(clean, params={"weights": [1.0], "variances": [1.0]})


@pytest.mark.slow_but("diag")
@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_solutions_of_every_covariance_model_in_unequal_units(covariance):
    """As many components as features, where a (2, 2) array could be two diagonals or one covariance."""
    x = load("faithful").values
    fitted = GaussianMixture(2, covariance_type=covariance, random_state=0, tol=1e-8, n_init=5, max_iter=1000).fit(x)
    found = mx.audit(x, params=fitted)
    assert found.findings == (), str(found)


def test_what_is_handed_over_may_be_written_into(clean):
    def e_step(x, params):
        resp = p.right_e_step(x, params)
        x += 1
        params["means"] += 1
        return resp

    params, before = start(clean), clean.copy()
    assert mx.audit(clean, e_step=e_step, m_step=p.right_m_step, params=params).findings == ()
    assert np.array_equal(clean, before)
    assert np.array_equal(params["means"], start(clean)["means"])


def test_programs_that_fail_are_said_to_in_a_sentence(clean):
    rng, calls = np.random.default_rng(0), []

    def noisy(x, params):
        resp = p.right_e_step(x, params) + rng.uniform(0, 0.01, (len(x), 3))
        return resp / resp.sum(axis=1, keepdims=True)

    def late(x, params):
        calls.append(0)
        return p.right_e_step(x, params | ({"weights": "none"} if len(calls) > 7 else {}))

    with pytest.raises(ValueError, match="two calls differ"):
        mx.audit(clean, e_step=noisy, m_step=p.right_m_step, params=start(clean))
    with pytest.raises(ValueError, match=r"e_step failed with .*\(after \d+ steps from the start given\)"):
        mx.audit(clean, e_step=late, m_step=p.right_m_step, params=start(clean))
    with pytest.raises(ValueError, match="3 components, as asked, got 2"):
        mx.audit(clean, fit=lambda x, k: GaussianMixture(2, random_state=0).fit(x[:, None]), num_components=3)
    found = mx.audit(clean, e_step=p.right_e_step, m_step=p.changed_m_step(means=p.not_finite), params=start(clean))
    assert found.codes[0] == "m-step-not-maximiser"
    assert "not finite" in found.findings[0].message


@pytest.mark.slow
def test_solutions_of_dense_covariances_are_read_by_the_model_that_made_them():
    """Our own maxima, whose covariances are (K, D, D) under every model, with and without the model's name."""
    x = load("faithful").values
    for covariance in ("tied", "diagonal", "VEI"):
        model = mx.Mixture(mx.Gaussian(covariance), 2)
        fit = mx.fit_em(model, x, key=jax.random.key(0), objective="ml")
        assert mx.audit(x, params=fit).findings == ()
        dense = tuple(np.asarray(getattr(fit.params, name)) for name in ("weights", "means", "covariances"))
        assert mx.audit(x, params=dense).findings == (), covariance


def test_a_scale_that_its_name_leaves_open_is_read_as_it_fits(clean):
    end = start(clean)
    for _ in range(300):
        end = p.right_m_step(clean, p.right_e_step(clean, end))
    weights, means, variances = end.values()
    for spread in (variances, np.sqrt(variances)):
        assert mx.audit(clean, params=(weights, means, spread)).findings == ()
        assert mx.audit(clean, params={"pi": weights, "mu": means, "sigma": spread}).findings == ()


@pytest.mark.parametrize("name", ["weights", "variances"])
def test_what_is_no_mixture_is_refused(clean, name):
    with pytest.raises(ValueError, match=f"{name} must"):
        mx.audit(clean, params=start(clean) | {name: np.array([-0.5, 0.5, 1.0])})


def test_identical_components_of_a_solution(clean):
    same = mx.audit(clean, params=start(clean) | {"means": np.array([0.0, 14.0, 14.0])})
    assert "Components 2 and 3 are identical." in [f.message for f in same.findings]


def test_linear_space_without_an_epsilon_is_no_fault_where_nothing_underflows(clean):
    def e_step(x, params):
        joint = params["weights"] * np.exp(p.log_density(x, params["means"], params["variances"]))
        return joint / joint.sum(axis=1, keepdims=True)

    assert mx.audit(clean, e_step=e_step, m_step=p.right_m_step, params=start(clean)).findings == ()
    narrow = start(clean) | {"variances": np.full(3, 1e-3)}
    found = mx.audit(clean, e_step=e_step, m_step=p.right_m_step, params=narrow)
    assert "underflow" in found.codes
    assert "At the start given" in found.findings[found.codes.index("underflow")].evidence


@pytest.mark.parametrize("factor", [0.7, 1.01, 1.4])
def test_row_sums_off_by_a_factor(clean, factor):
    def e_step(x, params):
        return factor * p.right_e_step(x, params)

    def m_step(x, resp):
        return p.right_m_step(x, resp / factor)

    found = mx.audit(clean, e_step=e_step, m_step=m_step, params=start(clean))
    assert "responsibilities-not-normalised" in found.codes
    assert "underflow" not in found.codes


def test_facts_of_the_data_are_no_faults(series):
    params = {"weights": np.full(3, 1 / 3), "means": np.array([25.0, 37.0, 44.0]), "variances": np.array([9.0, 4, 1])}
    found = mx.audit(series, e_step=p.right_e_step, m_step=p.right_m_step, params=params)
    assert "unbounded-likelihood" in found.codes
    assert "unbounded-likelihood" not in [f.code for f in found.faults]


def test_the_square_of_an_sd_where_a_density_takes_an_sd(clean):
    def e_step(x, params):
        return p.right_e_step(x, params | {"variances": params["stds"] ** 4})

    def m_step(x, resp):
        weights, means, variances = p.right_m_step(x, resp).values()
        return {"weights": weights, "means": means, "stds": np.sqrt(variances)}

    begin = start(clean)
    begin["stds"] = np.sqrt(begin.pop("variances"))
    assert "variance-scale" in mx.audit(clean, e_step=e_step, m_step=m_step, params=begin).codes


def test_steps_that_do_not_go_together_and_steps_that_fail_only_at_our_parameters(clean):
    def fails(x, params):
        if params["weights"].max() > 0.5:
            raise np.linalg.LinAlgError("singular")
        return p.right_e_step(x, params)

    assert mx.audit(clean, e_step=fails, m_step=p.right_m_step, params=start(clean)).findings == ()
    with pytest.raises(ValueError, match="m_step must return what e_step takes"):
        mx.audit(clean, e_step=p.right_e_step, m_step=lambda x, r: tuple(p.right_m_step(x, r).values()),
                 params=start(clean))  # fmt: skip


def test_diagonal_variances_that_look_like_one_matrix():
    """At K = D = 2 a symmetric start is two diagonals where the M-step says so."""
    x = load("faithful").values

    def e_step(x, params):
        weights, means, variances = params
        deviations = (x[:, None] - means) ** 2 / variances
        joint = np.log(weights) - 0.5 * (deviations + np.log(variances)).sum(axis=2)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def m_step(x, resp):
        counts = resp.sum(axis=0)
        means = resp.T @ x / counts[:, None]
        return counts / len(x), means, resp.T @ x**2 / counts[:, None] - means**2

    params = (np.full(2, 0.5), np.array([[2.0, 55.0], [4.4, 80.0]]), np.array([[1.0, 0.5], [0.5, 2.0]]))
    assert mx.audit(x, e_step=e_step, m_step=m_step, params=params).findings == ()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"log_weights": [-0.7, -0.7], "means": [0.0, 9.0], "variances": [1.0, 1.0]}, "not their logarithms"),
        ({"weights": [0.5, 0.5], "means": [0.0, 9.0], "tau": [1.0, 1.0]}, "inverses of precisions"),
        (([0.0, 9.0], [2.0, 3.0], [0.5, 0.5]), "only part 3 sums to one"),
    ],
)
def test_what_could_be_taken_for_something_else_is_refused(clean, params, words):
    with pytest.raises(ValueError, match=words):
        mx.audit(clean, params=params)
