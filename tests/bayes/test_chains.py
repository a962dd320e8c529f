"""NUTS cut off and continued, begun at given parameters, and its own account of how it went."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mixtures as mx
from mixtures.bayes.checkpoint import Checkpoint, CheckpointError
from mixtures.bayes.nuts import NUTSInfo
from tests.models import CASES, IDS, make

KEY = jax.random.key(4)
SETTINGS = {"num_warmup": 300, "num_samples": 700, "num_chains": 2}


@pytest.fixture(scope="module")
def problem():
    x = np.random.default_rng(6).normal(1.0, 2.0, 60)
    return mx.Mixture.for_data(x, 1), x


@pytest.fixture(scope="module")
def whole(problem):
    return mx.fit_nuts(*problem, key=KEY, **SETTINGS)


def cut_off(problem, path):
    def stop(done, total):
        assert total == 1000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mx.fit_nuts(*problem, key=KEY, checkpoint=path, on_progress=stop, **SETTINGS)


def test_a_run_that_is_continued_gives_the_same_draws(problem, whole, tmp_path):
    path, seen = tmp_path / "state", []
    cut_off(problem, path)
    again = mx.fit_nuts(*problem, key=KEY, checkpoint=path, on_progress=lambda *a: seen.append(a), **SETTINGS)
    np.testing.assert_array_equal(again.log_joint, whole.log_joint)
    np.testing.assert_array_equal(again.params.means, whole.params.means)
    assert len(seen) == 3, "of four chunks one was done"
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_chains_on_threads_are_those_run_in_turn(problem, whole, monkeypatch):
    monkeypatch.setattr("mixtures.bayes.nuts.threads_help", lambda x: False)
    in_turn = mx.fit_nuts(*problem, key=KEY, **SETTINGS)
    np.testing.assert_allclose(in_turn.params.means, whole.params.means, rtol=1e-9)


@pytest.mark.parametrize("change", ["key", "data", "model", "settings"])
def test_a_checkpoint_of_another_run_is_refused(problem, tmp_path, change):
    path, (model, x) = tmp_path / "state", problem
    cut_off(problem, path)
    before = path.read_bytes()
    key, settings = KEY, dict(SETTINGS)
    if change == "key":
        key = jax.random.key(5)
    if change == "data":
        x = x + 1e-9
    if change == "model":
        model = mx.Mixture.for_data(2 * x, 1)
    if change == "settings":
        settings["num_warmup"] = 301
    with pytest.raises(CheckpointError, match=rf"is of another run: .*\b{change}\b.* differ"):
        mx.fit_nuts(model, x, key=key, checkpoint=path, **settings)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["half", "other", "empty"])
def test_a_damaged_checkpoint_is_refused(problem, tmp_path, damage):
    path = tmp_path / "state"
    cut_off(problem, path)
    sound = path.read_bytes()
    path.write_bytes({"half": sound[: len(sound) // 2], "other": b"no checkpoint", "empty": b""}[damage])
    with pytest.raises(CheckpointError, match="is damaged; delete it to start anew"):
        mx.fit_nuts(*problem, key=KEY, checkpoint=path, **SETTINGS)


def test_no_folder_is_made_for_a_checkpoint(problem, tmp_path):
    with pytest.raises(CheckpointError, match="must lie in a folder that exists"):
        mx.fit_nuts(*problem, key=KEY, checkpoint=tmp_path / "nowhere" / "state", **SETTINGS)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    class Lost:
        def __array__(self, *_, **__):
            raise OSError

    checkpoint = Checkpoint(tmp_path / "state", {})
    checkpoint.save(1, jnp.arange(3))
    with pytest.raises(OSError):  # noqa: PT011
        checkpoint.save(2, Lost())
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
    done, state = checkpoint.load(jnp.arange(3))
    assert done == 1
    np.testing.assert_array_equal(state, np.arange(3))


PROGRAM = """
import sys
from mixtures.bayes.checkpoint import Checkpoint
from tests.models import CASES, make
path = sys.argv[1] + "/state"
print({i: Checkpoint(path, {"model": make(case)[0]})._run["model"] for i, case in enumerate(CASES)})
"""


@pytest.mark.slow
def test_a_model_is_known_again_in_another_process(tmp_path):
    """For every covariance model and prior: nothing that changes from process to process is in the checksum."""
    here = {i: Checkpoint(tmp_path / "state", {"model": make(case)[0]})._run["model"] for i, case in enumerate(CASES)}
    code = "import jax; jax.config.update('jax_enable_x64', True)" + PROGRAM
    there = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    other = eval(there.stdout)
    assert [IDS[i] for i in here if here[i] != other[i]] == []
    assert len(set(here.values())) == len(here), "different models have different checksums"


@pytest.mark.slow
def test_chains_begin_near_given_parameters():
    """Far apart groups that no chain leaves: its labels are those it was given."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(-50, 1, 30), rng.normal(50, 1, 60)])
    model = mx.Mixture.for_data(x, 2)
    fit = mx.fit_em(model, x, key=KEY, num_starts=8)
    swapped = model.family.permute(fit.params, jnp.array([1, 0]))
    both = mx.fit_nuts(model, x, key=KEY, start=[fit.params, swapped], num_warmup=200, num_samples=100, num_chains=4)
    original = np.asarray(both.relabelling.permutations)
    assert (original[[0, 2]] == original[0, 0]).all()
    assert (original[[1, 3]] == original[0, 0][::-1]).all()
    with pytest.raises(ValueError, match="start must have parameters of shapes"):
        mx.fit_nuts(mx.Mixture.for_data(x, 3), x, key=KEY, start=fit.params)


def test_energy_and_depth(whole):
    info = whole.info
    energy = np.asarray(info.energy)
    expected = [np.mean(np.diff(e) ** 2) / np.var(e) for e in energy]
    np.testing.assert_allclose(info.bfmi, expected)
    assert np.asarray(info.bfmi).min() > 0.6, "a normal posterior is explored well"
    depth, steps = np.asarray(info.tree_depth), np.asarray(info.num_leapfrog)
    assert ((2 ** (depth - 1) <= steps) & (steps < 2**depth)).all()


def test_slow_energies_and_short_trajectories_are_said(whole):
    drift = jnp.cumsum(jax.random.normal(KEY, whole.info.energy.shape), axis=1)
    info = NUTSInfo(
        whole.info.diverging, jnp.full_like(whole.info.num_leapfrog, 1023), whole.info.accept_prob, drift,
        whole.info.step_size,
    )  # fmt: skip
    _, words = info.judge(whole.diagnostics)
    assert "has an E-BFMI of 0.0" in words
    assert "100.0 % of trajectories were cut short at 1023 steps" in words
