"""Time and memory of an EM iteration from 100,000 to 10,000,000 rows, each size in a process of its own."""

import json
import subprocess
import sys

SIZES = (100_000, 1_000_000, 10_000_000)
_FEATURES, _COMPONENTS, _STEPS = 8, 8, 5


def measure(num_rows: int) -> dict[str, float]:
    """Seconds of an iteration and gigabytes above the data, in this process."""
    import resource
    import time

    import equinox as eqx
    import jax

    jax.config.update("jax_enable_x64", True)

    import jax.numpy as jnp
    import numpy as np

    import mixtures as mx
    from mixtures.em import step as em_step

    model = mx.Mixture(mx.Gaussian("full"), _COMPONENTS)

    @eqx.filter_jit
    def iterate(x, start):
        rows = model.prepare(x)
        state = em_step.init(model, rows, start)
        return jax.lax.fori_loop(0, _STEPS, lambda _, s: em_step.step(model, rows, s, 1e-8), state)

    def start_at(x):
        spread = jnp.tile(jnp.eye(_FEATURES), (_COMPONENTS, 1, 1))
        return model.family.start(jnp.full(_COMPONENTS, 1 / _COMPONENTS), x[:_COMPONENTS], spread)

    small = jax.random.normal(jax.random.key(0), (1_000, _FEATURES))
    jax.block_until_ready(iterate(small, start_at(small)))  # libraries and compiler are in memory from here on
    with open("/proc/self/status", encoding="ascii") as status:
        before = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    x = jnp.asarray(np.random.default_rng(0).standard_normal((num_rows, _FEATURES)))
    before += x.nbytes / 2**10
    with open("/proc/self/clear_refs", "w", encoding="ascii") as reset:
        reset.write("5")  # the peak so far is forgotten
    jax.block_until_ready(iterate(x, start_at(x)))
    begin = time.perf_counter()
    jax.block_until_ready(iterate(x, start_at(x)))
    seconds = (time.perf_counter() - begin) / (_STEPS + 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "gigabytes": (peak - before) / 2**20}


def run():
    """Yield the cost of every size, beside that of ten times fewer rows times ten."""
    last = None
    for num_rows in SIZES:
        command = [sys.executable, "-m", "tests.benchmarks.em_rows", str(num_rows)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        name = f"EM iteration, N={num_rows:,} D={_FEATURES} K={_COMPONENTS}, preparation shared by six"
        if last is not None:
            yield name, 1e3 * found["seconds"], "ten times that of a tenth of the rows", 1e4 * last, "ms"
        yield f"memory above the data, N={num_rows:,}", found["gigabytes"], "limit", 2.0, "GB"
        last = found["seconds"]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
