"""The report in Markdown, for pull requests and notebooks: verdict, numbers, parameters and reasons."""

from mixtures.report.headline import headline, three_numbers
from mixtures.report.methods import methods
from mixtures.report.tables import as_markdown
from mixtures.report.trust import engines


def markdown(value: dict) -> str:
    """Render the content of a comparison."""
    first, told = headline(value), methods(value)
    data, model = value["data"], value["model"]
    parts = [
        f"# {escaped(data['source'])}: a mixture of {model['num_components']} components",
        f"**{first.title}.** {first.advice}",
        "\n".join(f"- **{figure.number}** {escaped(figure.words)}" for figure in three_numbers(value)),
        "## Why",
        "\n".join(f"- {escaped(reason)}" for reason in value["verdict"]["reasons"]),
        "## Parameters",
        as_markdown(value),
        "## How far to trust each engine",
        "\n".join(f"- {e['name']}: {escaped(e['word'])} {escaped(e['why'])}" for e in engines(value)),
        "## Methods",
        escaped(told.paragraph),
        "\n".join(f"- {reference}" for reference in told.references),
    ]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown takes for nothing but text."""
    for sign in "\\`*_[]|":
        text = text.replace(sign, "\\" + sign)
    return text.replace("<", "&lt;").replace("\n", " ")
