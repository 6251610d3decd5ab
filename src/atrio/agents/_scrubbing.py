"""Text of endpoints without the secrets that they were sent."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

_INSTEAD: Final = "***"


def without_secrets(text: str, secrets: Iterable[str], *, shortest: int = 1, is_cut: bool = False) -> str:
    """Return `text` with asterisks for each secret in it. Shorten it after that, not before: half a secret is not seen.

    Args:
        text: the text, as it is or as the inside of a JSON string.
        secrets: the secrets, as they are sent: without white space at their ends.
        shortest: characters that a secret has at least; shorter ones are mere words, and stay.
        is_cut: whether the text goes on. Then what a secret could begin with is taken off its end.
    """
    forms = sorted({form for each in secrets if len(each) >= shortest for form in _forms(each)}, key=len, reverse=True)
    for form in forms:
        text = text.replace(form, _INSTEAD)
    return text[: len(text) - max((_begun(form, text) for form in forms), default=0)] if is_cut else text


def _forms(secret: str) -> Iterator[str]:
    escaped = json.dumps(secret)[1:-1]
    yield from (secret, escaped, escaped.replace("/", "\\/"))


def _begun(secret: str, text: str) -> int:
    """Return how many characters of a secret are at the end of a text."""
    return next((size for size in range(len(secret) - 1, 0, -1) if text.endswith(secret[:size])), 0)
