"""`mixtures doctor`: what the results depend on, and whether it works."""

import importlib.util
import platform
import re
import shutil
import time
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from mixtures.cli import display, options
from mixtures.cli.runtime import FAILED, cache_folder, check_writable, exit_codes, prepare_jax
from mixtures.cli.screen import Screen

_BENEATH = ("jaxlib", "xarray")  # what else results depend on, brought by what mixtures needs
_OPTIONAL = {  # module: what it is for
    "pyarrow": "Parquet files",
    "sklearn": "scikit-learn's interface",
    "polars": "Polars data frames",
    "zarr": "draws as Zarr",
    "ipykernel": "notebooks",
}
_FITTED = -184.6447  # log-likelihood of two free components on the acidity data, as mclust has it


def doctor(as_json: options.AsJson = False, quiet: options.Quiet = False) -> None:
    """Show versions, devices, precision and the cache of compiled programs, fit once, and say what is wrong.

    Ends with 0 if nothing is, and with 1 and a sentence for each problem that says what to do.
    """
    with exit_codes():
        screen = Screen(as_json, quiet)
        found = examine()
        for name in ("versions", "extras", "jax", "cache", "fit"):
            display.print_pairs(screen.words, name, found[name])
        problems = found["problems"]
        for sentence in problems:
            display.print_wrapped(screen.conclusions, sentence, " • ")
        if not problems:
            screen.conclusions.print(Text("Nothing is wrong.", style="bold green"))
        screen.print_document(found)
        raise typer.Exit(FAILED if problems else 0)


def examine() -> dict[str, Any]:
    """Everything the command shows, as plain values; `problems` are sentences."""
    problems: list[str] = []
    versions = _versions(problems)
    cache = _cache(problems)
    jax = _jax(problems)
    return {
        "versions": versions,
        "extras": {name: _extra(name, use) for name, use in _OPTIONAL.items()},
        "jax": jax,
        "cache": cache,
        "fit": _fit(problems) if jax["devices"] else {},
        "problems": problems,
    }


def _versions(problems: list[str]) -> dict[str, str | None]:
    from mixtures._version import __version__

    needed = [re.split(r"[^\w-]", one)[0] for one in _requirements(problems) if "extra ==" not in one]
    found = {name: _version(name) for name in (*needed, *_BENEATH)}
    if missing := [name for name, number in found.items() if number is None]:
        problems.append(f"Not installed: {', '.join(missing)}; install mixtures again, with pip or uv.")
    return {"mixtures": __version__, "python": platform.python_version(), "platform": platform.platform(), **found}


def _requirements(problems: list[str]) -> list[str]:
    try:
        return requires("mixtures") or []
    except PackageNotFoundError:
        problems.append(
            "mixtures runs from its sources without being installed, so what it needs is not known; install it with "
            "pip or uv (from a checkout: pip install --editable .)."
        )
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _extra(module: str, use: str) -> str:
    there = importlib.util.find_spec(module) is not None
    return f"{'installed' if there else 'not installed'} (for {use})"


def _cache(problems: list[str]) -> dict[str, Any]:
    import jax

    chosen = jax.config.jax_compilation_cache_dir
    folder = cache_folder() if chosen is None else Path(chosen)
    try:
        check_writable(folder)
    except OSError as error:
        problems.append(
            f"Compiled programs cannot be kept in {folder} ({error.strerror}), so every command compiles anew: "
            "let that folder be written, or set JAX_COMPILATION_CACHE_DIR to another one."
        )
        return {"folder": str(folder), "writable": False, "programs": 0, "megabytes": 0.0}
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return {"folder": str(folder), "writable": True, "programs": len(sizes), "megabytes": round(sum(sizes) / 1e6, 1)}


def _jax(problems: list[str]) -> dict[str, Any]:
    import jax

    library = "float64" if jax.config.jax_enable_x64 else "float32"
    prepare_jax()
    try:
        devices = [str(device) for device in jax.devices()]
        backend = jax.default_backend()
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        problems.append(f"JAX finds no device ({reason}); unset JAX_PLATFORMS, or set it to cpu.")
        devices, backend = [], None
    found = {
        "backend": backend,
        "devices": devices,
        "precision in Python": f"{library}, unless you set jax_enable_x64",
        "precision here": "float64",
    }
    if backend == "cpu" and shutil.which("nvidia-smi") is not None:
        found["note"] = 'There is an NVIDIA GPU that JAX does not use; for large data: pip install "mixtures[gpu]".'
    return found


def _fit(problems: list[str]) -> dict[str, Any]:
    """Fit what is known, and compare."""
    import jax

    from mixtures.datasets import load
    from mixtures.em.fit import fit_em
    from mixtures.families import Gaussian
    from mixtures.model import Mixture

    begin = time.perf_counter()
    model = Mixture(Gaussian("full"), 2)
    found = fit_em(model, load("acidity").values, key=jax.random.key(0), objective="ml", num_starts=4)
    seconds, reached = time.perf_counter() - begin, float(found.log_likelihood)
    if not abs(reached - _FITTED) < 0.01:
        problems.append(
            f"A fit to the acidity data reaches a log-likelihood of {reached:.4f}, not {_FITTED}, so do not trust "
            "results of this installation; please report it with what is shown above."
        )
    return {"status": found.status.label, "log_likelihood": reached, "seconds": round(seconds, 2)}
