"""Results as plain values, and plain values as strict JSON that a person can read."""

import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """Arrays and tuples as lists, numbers that do not exist as None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def to_json(value: object, indent: str = "") -> str:
    """Strict JSON, one line for whatever fits on one, and for every innermost list."""
    line = json.dumps(value, allow_nan=False, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(line) <= 120:
        return line
    inner = indent + " "
    if isinstance(value, dict):
        entries = [f"{json.dumps(k, ensure_ascii=False)}: {to_json(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner + e for e in entries) + f"\n{indent}}}"
    if not any(isinstance(v, dict | list) for v in value):
        return line
    return "[\n" + ",\n".join(inner + to_json(v, inner) for v in value) + f"\n{indent}]"
