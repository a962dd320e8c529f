"""One line for each engine: its numbers, and how far to trust it."""

from mixtures._numbers import fixed, percent, plus_minus
from mixtures._status import Status
from mixtures.bayes.vi import MAX_KHAT
from mixtures.compare.verdict import EM_NOT_AT_MAXIMUM
from mixtures.report.words import GOOD_KHAT, trust_khat


def engines(value: dict) -> list[dict]:
    """One line for each engine: its numbers, and one phrase on how far to trust it."""
    ml, best, vi, nuts = (value["fits"][name] for name in ("ml", "map", "vi", "nuts"))
    codes = {finding["code"] for finding in value["verdict"]["findings"]}
    return [
        _engine("", "EM, maximum likelihood", ml, *_trust_ml(ml)),
        _engine("em", "EM, MAP", best, *_trust_map(best, EM_NOT_AT_MAXIMUM not in codes)),
        _engine("vi", f"VI, {vi['guide'].replace('_', ' ')}", vi["invariants"], *_trust_vi(vi)),
        _engine("nuts", "NUTS", nuts["invariants"], *_trust_nuts(nuts)),
    ]


def _engine(key: str, name: str, source: dict, tone: str, word: str, why: str) -> dict:
    log_densities = {
        k: fixed(v, 3) if not isinstance(v, dict) else plus_minus(v["mean"], v["sd"])
        for k in ("log_likelihood", "log_joint")
        for v in [source[k]]
    }
    return {"key": key, "name": name, "tone": tone, "word": word, "why": why, **log_densities}


def _trust_ml(ml: dict) -> tuple[str, str, str]:
    if ml["estimates"] is None:
        return "bad", "Not at all:", "no interior maximum was found."
    if not ml["is_estimate"]:
        return "bad", "Not yet:", ml["reason"]
    if ml["unbounded"]:
        ended = ml["starts"]["count"] - ml["starts"]["statuses"].get(Status.DROPPED.label, 0)
        share = percent(ml["collapsed_starts"] / ended)
        return (
            "fair",
            "As a local maximum:",
            f"the likelihood is unbounded, and {share} of the starts run to their end climbed to infinity.",
        )
    return "good", "As a local maximum:", "no start collapsed (with free variances no global one exists in theory)."


def _trust_map(best: dict, at_maximum: bool) -> tuple[str, str, str]:
    if not best["is_estimate"]:
        return "bad", "Not at all:", best["reason"]
    if not at_maximum:
        return "bad", "Not at all:", best["standard_errors_reason"]
    if best["unbounded"]:
        return "bad", "As a local mode only:", "the posterior density is unbounded under this prior."
    dropped = best["starts"]["statuses"].get(Status.DROPPED.label, 0)
    found = f"{best['starts']['modes'][0]['hits']} of {best['starts']['count']} starts found this mode"
    found += f" ({dropped} were left behind by better ones, and never converged)" if dropped else ""
    if best["standard_errors"] is None:
        return "fair", "As a point:", f"{found}, but it has no standard errors."
    return "good", "As a mode:", f"{found}."


def _trust_vi(vi: dict) -> tuple[str, str, str]:
    if vi["status"] != "converged":
        return "bad", "Not at all:", vi["reason"]
    tone = khat_tone(vi["khat"])
    word = {"good": "Yes:", "fair": "With care:", "bad": "Little:"}[tone]
    return tone, word, f"Pareto k-hat {fixed(vi['khat'], 2)}, {trust_khat(vi['khat'])}."


def _trust_nuts(nuts: dict) -> tuple[str, str, str]:
    if nuts["status"] != "converged":
        return "bad", "Not at all:", nuts["reason"]
    why = f"R-hat at most {fixed(nuts['max_rhat'], 4)}, at least {fixed(nuts['min_ess'], 0)} effective draws"
    if nuts["divergences"]:
        return "fair", "With care:", f"{nuts['divergences']} divergent draws; {why}."
    return "good", "Yes:", f"{why}, no divergences."


def khat_tone(khat: float | None) -> str:
    """How good a Pareto k-hat is."""
    if khat is None or khat > MAX_KHAT:
        return "bad"
    return "good" if khat < GOOD_KHAT else "fair"
