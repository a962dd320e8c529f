import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from mixtures._numbers import nominal, number, numbers, percent, plus_minus, signed
from mixtures.report import save
from mixtures.report.content import content
from mixtures.report.folder import replace_folder
from mixtures.report.html import page
from mixtures.report.saved import redraw
from tests.report import fake
from tests.report.test_content import CASES

VOID = {"meta", "link", "br", "img", "hr", "input"}
HOSTILE = ("<script>alert(1)</script>", 'a $b$, 身長]&" onload="x' + "long " * 20)


class Page(HTMLParser):
    """Elements in order, with the text of each; complains about tags that do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg", "script"} & set(self.open):
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


_rendered: dict[str, str] = {}


def rendered(name):
    if name not in _rendered:
        result = fake.renamed(fake.plane(), *HOSTILE) if name == "hostile" else CASES[name]()
        _rendered[name] = page(content(result))
    return _rendered[name]


LONG = {"ambiguous", "degenerate", "raced", "without a profile", "poor VI", "calibrated", "without VI"}


@pytest.fixture(params=[pytest.param(c, marks=[pytest.mark.slow] * (c in LONG)) for c in (*CASES, "hostile")])
def parsed(request):
    return Page(rendered(request.param))


def test_ids_are_unique_and_references_lead_somewhere(parsed):
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = set()
    for _, attrs in parsed.elements:
        for key, value in attrs.items():
            used |= set(re.findall(r"url\(#([^)]+)\)", value or ""))
            used |= {value[1:]} if key == "href" and value.startswith("#") else set()
            used |= set(value.split()) if key == "aria-labelledby" else set()
    assert used <= set(ids)


def test_every_figure_says_in_words_what_it_shows(parsed):
    drawings = parsed.all("svg")
    assert len(drawings) >= 10
    assert all(len(d["aria-label"]) > 40 for d in drawings)
    assert {d["role"] for d in drawings if d.get("tabindex") is None} == {"img"}
    assert {d["role"] for d in drawings if d.get("tabindex") is not None} <= {"group"}, "what takes keys is no image"
    assert len(parsed.all("figure")) == len(parsed.all("figcaption"))


def test_nothing_is_loaded_and_two_scripts_run(parsed):
    scripts = [attrs for tag, attrs in parsed.elements if tag == "script"]
    assert scripts in ([{}], [{"type": "application/json", "id": "explorer-data"}, {}, {}])
    for tag, attrs in parsed.elements:
        assert tag not in {"iframe", "object", "embed", "img", "image"}
        assert not any(key.startswith("on") for key in attrs), (tag, attrs)
        assert "src" not in attrs
        if tag != "a":
            assert not attrs.get("href", "").startswith(("http", "//"))
    assert all(a["href"].startswith(("#", "https://doi.org/")) for a in parsed.all("a"))


def test_headings_descend_and_tables_have_headers(parsed):
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("scope" in attrs for attrs in parsed.all("th"))
    assert {"header", "main", "footer", "nav"} <= {tag for tag, _ in parsed.elements}


def test_colours_come_from_the_page():
    drawn = "".join(re.findall(r"<svg.*?</svg>", rendered("series"), re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}", drawn)
    assert "<style" not in drawn
    assert "xmlns" not in drawn
    defined = set(re.findall(r"(--[a-z]+):", rendered("series")))
    assert set(re.findall(r"var\((--[a-z]+)\)", rendered("series"))) <= defined


def test_page_is_small():
    assert len(rendered("series").encode()) < 1_000_000
    assert max(map(len, re.findall(r"<svg.*?</svg>", rendered("plane"), re.DOTALL))) < 250_000


def test_percent_signs_stay_with_their_numbers():
    assert "89\N{NO-BREAK SPACE}%" in rendered("series")
    assert not re.search(r"\d %", rendered("series"))


def test_same_comparison_same_page():
    result = fake.series()
    assert page(content(result)) == rendered("series")


def test_the_policy_allows_those_scripts_and_no_other():
    text = rendered("series")
    allowed = re.search(r"script-src ([^\"]+)\"", text)[1].split()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert allowed == [f"'sha256-{one}'" for one in hashes]
    assert len(scripts) == 2


def test_main_tables_copy_by_button():
    """Each button names the text that it copies, and is there only where scripts run; what happened is announced."""
    parsed = Page(rendered("series"))
    buttons = [attrs for attrs in parsed.all("button") if "data-copies" in attrs]
    texts = {attrs.get("id") for attrs in parsed.all("pre")}
    assert {b["data-copies"] for b in buttons} == texts
    assert len(buttons) == 6, "parameters, intervals and distances, as CSV and LaTeX"
    assert all("hidden" in b and b["aria-label"].startswith(f"Copy as {b['data-form']}: ") for b in buttons)
    assert sum(attrs.get("role") == "status" for attrs in parsed.all("span")) == 3


def test_hostile_names_are_text():
    text = rendered("hostile")
    assert text.lower().count("<script") == 3
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert HOSTILE[0] in Page(text).words


@pytest.mark.slow_but("series-words0", "series-words1", "plane-words3", "unconverged-words4", "without a MAP-words6")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("series", ["no global maximum exists", "17 of 64 starts", "44.44571429", "Kiefer and Wolfowitz (1956)"]),
        ("series", ["With a floor anywhere from 0.0001 to 0.01", "is to choose the answer", "17 collapsed"]),
        ("raced", ["56 left behind by better ones, and never converged", "3 of 64 starts found this mode"]),
        ("plane", ["No standard errors.", "not at a stationary point", "No two rows are equal"]),
        ("unconverged", ["Nothing can be concluded", "No NUTS estimates.", "chains disagree", "none are given"]),
        ("degenerate", ["Maximum likelihood gives no estimate", "no interior maximum was found", "64 of 64 starts"]),
        ("without a MAP", ["There is no MAP estimate", "No start found an interior mode"]),
        ("without VI", ["No VI estimates.", "The ELBO is not finite"]),
        ("poor VI", ["above 0.7: not to be trusted"]),
    ],
)
def test_what_cannot_be_trusted_is_said_in_words(name, words):
    found = Page(rendered(name)).words
    assert [w for w in words if w not in found] == []


def test_unconverged_chains_leave_no_average_on_the_page():
    result = fake.unconverged(fake.series())
    mean = result.nuts.log_joint.mean()
    found = Page(rendered("unconverged")).words
    assert f"{abs(mean):.1f}" not in found
    assert "NUTS ± sd" in found


def test_reasons_of_the_verdict_come_first():
    result = fake.series()
    found = Page(rendered("series")).words
    places = [found.index(" ".join(reason.split())) for reason in result.verdict.reasons]
    assert places == sorted(places)
    assert places[-1] < found.index("Each engine in a line")


def test_save_writes_every_file_and_a_report_is_drawn_again_from_them(tmp_path):
    result = fake.series()
    folder = save(result, tmp_path / "report")
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert written.keys() >= {
        *("report.html", "report.md", "report.json", "parameters.csv", "parameters.tex", "posterior.nc"),
    }
    assert redraw(folder) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written
    assert result.save(tmp_path / "report") == folder
    import arviz

    tree = arviz.from_netcdf(folder / "posterior.nc")
    assert tree["posterior"]["means"].shape == (fake.CHAINS, fake.DRAWS, 3, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "holds no report.json, sweep.json"),
        ("{", "cannot be read as JSON"),
        ("[]", "has schema None"),
        ('{"schema": 1}', "has schema 1, and this version draws schema 5"),
    ],
)
def test_what_is_no_report_is_not_drawn(tmp_path, text, words):
    folder = tmp_path / "out"
    replace_folder(folder, lambda into: None if text is None else (into / "report.json").write_text(text))
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(ValueError, match=re.escape(words)):
        redraw(folder)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (plus_minus(44.3240, 0.1118), "44.32 ± 0.11"),
        (plus_minus(-137.4315, 0.0086), "−137.4315 ± 0.0086"),
        (plus_minus(12345.6, 789.0), "1.235e4 ± 7.9e2"),
        (plus_minus(-0.0001, 0.024), "0.000 ± 0.024"),
        (plus_minus(0.5, None), "0.5"),
        (plus_minus(None, 1.0), "–"),
        (number(float("nan")), "–"),
        (signed(1.005, 2), "+1.00"),
        (signed(-1.25, 1), "−1.2"),
        (signed(-0.001, 2), "0.00"),
        (number(-2.5e-7), "−2.5e−7"),
        (numbers([[6.4]]), "6.4"),
        (numbers([[1.0, 0.5], [0.5, 2.0]]), "[1, 0.5], [0.5, 2]"),
        (percent(0.0001), "under 1 %"),
        (percent(0.0), "0 %"),
        (percent(0.9999), "over 99 %"),
        (percent(1.0), "100 %"),
        (percent(0.99949, 1), "99.9 %"),
        (percent(0.9996, 1), "over 99.9 %"),
        (nominal(0.999), "99.9 %"),
        (nominal(0.89), "89 %"),
    ],
)
def test_numbers_as_a_person_reads_them(text, expected):
    assert text == expected


MEASURE = """<script>
const broken = [];
window.onerror = m => { broken.push(String(m)); };
document.addEventListener("securitypolicyviolation", e => broken.push(e.violatedDirective));
addEventListener("load", () => {
  const shown = [...document.querySelectorAll("svg")].filter(s => s.getClientRects().length);
  const empty = shown.filter(s => s.getBoundingClientRect().height < 40).length;
  const outside = [...document.querySelectorAll("svg text")].filter(t => t.getClientRects().length &&
    (t.getBoundingClientRect().right > innerWidth + 1 || t.getBoundingClientRect().left < -1)).length;
  const root = document.documentElement, ticks = () => [...document.querySelectorAll("#explorer-svg .curve")]
    .map(c => c.points[c.points.numberOfItems - 1].x - c.points[0].x)[0];
  const before = ticks();
  document.querySelector("[data-act=next]").click();
  document.querySelector("[data-act=in]").click();
  root.setAttribute("data-measured", JSON.stringify({broken, empty, outside, shown: shown.length,
    told: document.getElementById("explorer-readout").textContent, zoomed: before / ticks(),
    images: [...document.images].filter(i => !i.naturalWidth).length,
    wider: root.scrollWidth - innerWidth, width: innerWidth}));
});
</script>"""


@pytest.mark.browser
@pytest.mark.parametrize("name", ["series", "plane", "unconverged", "hostile"])
@pytest.mark.parametrize("width", [390, 1200])
def test_page_in_a_browser(tmp_path, name, width):
    """Chromium cannot make a window of 390 pixels, so the page is measured in a frame of that width."""
    measured = in_chromium(tmp_path, rendered(name), width)
    assert measured["width"] == width
    assert measured["shown"] == (8 if name in ("series", "unconverged") else 7)  # those have a floor profile
    assert {k: measured[k] for k in ("broken", "empty", "outside", "images")} == {
        "broken": [], "empty": 0, "outside": 0, "images": 0,
    }  # fmt: skip
    assert measured["wider"] <= 0
    assert measured["told"].startswith("Row ")
    assert measured["zoomed"] == 0.5


def in_chromium(folder, text, width):
    """Open the page in headless Chromium; return what a script in a copy of it measured."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        reason = "no Chromium is installed (Debian: apt install chromium)"
        (pytest.fail if os.environ.get("MIXTURES_REQUIRE_BROWSER") == "1" else pytest.skip)(reason)
    policy = '<meta http-equiv="Content-Security-Policy" content="'
    assert policy in text
    copy = re.sub('script-src [^"]+', "script-src 'unsafe-inline'", text).replace("<head>", "<head>" + MEASURE)
    (folder / "page.html").write_text(copy, encoding="utf-8")
    frame = f"""<!doctype html><iframe src="page.html" style="width:{width}px;height:800px;border:0"></iframe><script>
    addEventListener("load", () => {{
      document.title = document.querySelector("iframe").contentDocument.documentElement.dataset.measured;
    }});
    </script>"""
    (folder / "frame.html").write_text(frame, encoding="utf-8")
    switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [
        browser,
        *switches.split(),
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",
    ]
    command += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", f"--window-size={width + 100},900"]
    done = subprocess.run(
        [*command, "--dump-dom", (folder / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(unescape(re.search("<title>(.*?)</title>", done.stdout)[1]))
