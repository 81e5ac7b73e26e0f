"""What an expression of PromQL asks for, as far as tests need to know: the names of metrics, and of labels."""

import re

_WORDS = {"by", "without", "on", "ignoring", "and", "or", "unless", "bool", "group_left", "group_right", "offset"}


def metrics_of(expression: str) -> set[str]:
    """Names of metrics: what is neither a function, a label, a duration nor a word of the language."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'', '""', expression)
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    found = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", text)
    return {name for name in found if name not in _WORDS}


def matched_labels(expression: str) -> set[tuple[str, str, str]]:
    """(metric, label, value) of every `label="value"` that is compared as it stands."""
    return {
        (metric, label, value)
        for metric, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}", expression)
        for label, value in re.findall(r'(\w+)="([^"$]*)"', matchers)
    }
