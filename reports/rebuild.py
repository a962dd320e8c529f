"""Make case studies again: ``uv run python reports/rebuild.py [NAME …]``, all of them if none is named.

A study is a folder whose README.md has its command in a block of shell. The command is run, its files take the place of
those in the folder (but for the draws, which are large), and its result is written between the README's markers.
The two studies of calibration are programs, named ``coverage`` and ``ranks``, that write into their folder themselves.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mixtures.cli.runtime import NOT_COMPARABLE

HERE = Path(__file__).parent
PROGRAMS = {name: HERE / "calibration" / f"{name}.py" for name in ("coverage", "ranks")}
_COMMAND = re.compile(r"^uv run mixtures (.+)$", re.MULTILINE)
_AUDITED = """The program is [by_hand.py](by_hand.py): our own, with the six faults of the one that this project began
with. This is what

```sh
uv run mixtures audit reports/timeseries/by_hand.py mixtures/datasets/timeseries.csv --components 3
```

finds. The last two findings are no faults of the program, and stay when it is mended: one start finds one of several
maxima, and the likelihood is unbounded on these data. [The study](README.md) says what can be said then.
"""
_RESULT = re.compile(r"(<!-- result -->\n).*(<!-- /result -->)", re.DOTALL)


def studies() -> list[str]:
    """Names of the folders that are case studies."""
    return [path.parent.name for path in sorted(HERE.glob("*/README.md")) if _COMMAND.search(path.read_text())]


def run(name: str, folder: Path) -> None:
    """Run the command of a study, its output into `folder`."""
    words = shlex.split(_COMMAND.search((HERE / name / "README.md").read_text())[1])
    words[words.index("--out") + 1] = str(folder)
    done = subprocess.run([sys.executable, "-m", "mixtures", *words], cwd=HERE.parent, check=False)
    if done.returncode not in (0, NOT_COMPARABLE):
        raise SystemExit(f"{name}: the command failed with exit code {done.returncode}.")


def rebuild(name: str) -> None:
    """Run a study, and put what it says into its folder."""
    if name in PROGRAMS:
        subprocess.run([sys.executable, PROGRAMS[name]], cwd=HERE.parent, check=True)
        return
    with TemporaryDirectory() as parent:
        found = Path(parent, "out")
        run(name, found)
        for file in found.iterdir():
            if file.suffix != ".nc":
                shutil.copyfile(file, HERE / name / file.name)
        text = result(found)
    path = HERE / name / "README.md"
    path.write_text(_RESULT.sub(lambda match: match[1] + text + match[2], path.read_text()), encoding="utf-8")


def audit_page() -> str:
    """What `mixtures audit` finds in the program by hand of the time series, as Markdown."""
    import jax
    import numpy as np

    import mixtures as mx

    jax.config.update("jax_enable_x64", True)
    sys.path.insert(0, str(HERE / "timeseries"))
    import by_hand

    x = mx.read_data(HERE.parent / "mixtures" / "datasets" / "timeseries.csv").values[:, 0]
    params = by_hand.start(x, 3, np.random.default_rng(0))
    page = mx.audit(x, e_step=by_hand.e_step, m_step=by_hand.m_step, params=params).to_markdown()
    title, rest = page.split("\n\n", 1)
    return f"{title}\n\n{_AUDITED}\n{rest}"


def result(folder: Path) -> str:
    """What a study found, as Markdown."""
    if (folder / "sweep.json").exists():
        value = json.loads((folder / "sweep.json").read_text())
        return _table(value["rows"]) + "".join(f"- {sentence}\n" for sentence in value["sentences"])
    if (folder / "select.json").exists():
        reasons = json.loads((folder / "select.json").read_text())["reasons"]
        return "".join(f"- {reason}\n" for reason in reasons)
    verdict, *sections = (folder / "report.md").read_text().partition("\n\n")[2].split("\n## ")
    parts = dict(section.split("\n\n", 1) for section in sections)
    value = json.loads((folder / "report.json").read_text())
    covered = (value["calibration"] or {"sentences": []})["sentences"]
    coverage = ["".join(f"- {sentence}\n" for sentence in covered)] if covered else []
    return "\n".join([verdict, parts["Why"], parts["Parameters"], *coverage])


def _table(rows: list[dict]) -> str:
    lines = ["| K | model | verdict | BIC | LOO | behind the best | R-hat |", "| --- |" + " --- |" * 6]
    for row in rows:
        gap = "–" if row["elpd_gap"] is None else f"{row['elpd_gap']:.2f} ± {row['elpd_gap_error']:.2f}"
        elpd = "–" if row["elpd"] is None else f"{row['elpd']:.2f}"
        cells = (row["num_components"], row["covariance"], row["verdict"], f"{row['bic']:.2f}", elpd, gap)
        lines.append(f"| {' | '.join(map(str, cells))} | {row['max_rhat']:.3f} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [*studies(), *PROGRAMS]:
        rebuild(wanted)
        if wanted == "timeseries":
            (HERE / wanted / "audit.md").write_text(audit_page(), encoding="utf-8")
