"""Tidy Unicode and white space: the pure part of `atrio.agents.TextCleaner`."""

import re
from collections.abc import Iterator
from typing import Final, Literal
from unicodedata import normalize

import regex

from atrio.agents._chunks import CHUNK, LONGEST_RUN
from atrio.agents._offload import Poll, no_poll

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]

# Where a cut can change neither normalization nor what is seen around a joiner: these begin anew, whatever is before
# them, and stay. Not between the two characters of a Windows line end, nor in an emoji made of several.
_FRESH_START: Final = regex.compile(
    r"(?V1)(?=[\t\x20-\x7e]|[[\p{Han}\p{Hiragana}\p{Katakana}\uac00-\ud7a3]&&[\p{L}\p{Nl}]])|(?<!\u200d)(?=\p{Extended_Pictographic})"
)
_LINE_END: Final = regex.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")

# Scripts in which ZWJ and ZWNJ choose the shape of letters, and in which ZWSP separates words.
_JOINING: Final = (
    r"[[\p{L}\p{M}]&&[\p{Arab}\p{Syrc}\p{Mong}\p{Nkoo}\p{Mand}\p{Deva}\p{Beng}\p{Guru}\p{Gujr}\p{Orya}\p{Taml}\p{Telu}"
    r"\p{Knda}\p{Mlym}\p{Sinh}\p{Khmr}\p{Mymr}\p{Tibt}\p{Java}\p{Bali}\p{Sund}]]"
)
_SPACELESS: Final = r"[[\p{L}\p{M}]&&[\p{Thai}\p{Laoo}\p{Khmr}\p{Mymr}]]"
_EMOJI: Final = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]"
_TAG: Final = r"[\U000e0020-\U000e007f]"

# What has no place in a text that is read: controls but tab and newline, the byte order mark, soft hyphens and the
# zero-width characters, except where leaving them out would change what readers see. Marks of direction stay.
_INVISIBLE: Final = regex.compile(
    r"(?V1)[[\p{Cc}\u00ad\u034f\u180e\u200b-\u200d\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]--[\t\n]]"
    rf"(?<!{_EMOJI}\u200d(?=\p{{Extended_Pictographic}}))"
    rf"(?<!{_JOINING}[\u200c\u200d])"
    rf"(?<!{_SPACELESS}\u200b(?={_SPACELESS}))"
    rf"(?<!\U0001f3f4{_TAG}{{1,16}})"
)
_ASCII_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SUSPECT: Final = regex.compile(r"(?V1)[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u034f]--[\t\n]]")
_LONE_SURROGATE: Final = regex.compile(r"[\ud800-\udfff]")
_SPACE: Final = regex.compile(r"(?V1)[\p{Zs}--[ ]]")

_DEEPEST_INDENTATION: Final = 80
# Possessive, and begun only where a run of blanks begins: linear in a line of 50 million blanks too.
_TRAILING_BLANKS: Final = regex.compile(r"(?<![ \t])[ \t]++(?=\n)")
_BLANK_LINES: Final = regex.compile(r"\n{3,}")
_RUN_OF_BLANKS: Final = regex.compile(r"(?<=[^ \t\n])[ \t]{2,}+")
_DEEP_INDENTATION: Final = regex.compile(rf"(?m)^([ \t]{{{_DEEPEST_INDENTATION}}})[ \t]++")
_BLANKS: Final = " \t\n"


def _pieces(text: str, size: int) -> Iterator[str]:
    start = 0
    while len(text) - start > size:
        found = _FRESH_START.search(text, start + size, start + size + LONGEST_RUN)
        end = min(start + size + LONGEST_RUN, len(text)) if found is None else found.start()
        yield text[start:end]
        start = end
    yield text[start:]


def clean_characters(text: str, form: Form) -> str:
    """Return ``text`` normalized, with plain spaces and line ends, without invisible characters."""
    if text.isascii():
        # No normalization can change it, and nothing but controls is to be looked for: most text goes this short way.
        return text if _ASCII_CONTROL.search(text) is None else _ASCII_CONTROL.sub("", _LINE_END.sub("\n", text))
    if _SUSPECT.search(text) is not None:
        text = _LONE_SURROGATE.sub("\ufffd", _INVISIBLE.sub("", _LINE_END.sub("\n", text)))
    return _SPACE.sub(" ", normalize(form, text))


def _tidy_gap(gap: str, *, in_text: bool) -> str:
    """Return the white space between two visible characters (or before the first) as it should be."""
    *lines, indentation = gap.split("\n")
    if lines:
        return "\n" * min(len(lines), 2) + indentation[:_DEEPEST_INDENTATION]
    if in_text:
        return gap if len(gap) < 2 else " "
    return gap[:_DEEPEST_INDENTATION]


def _tidy_body(body: str) -> str:
    """Return ``body``, which ends with a visible character and begins with one or a line end, with tidy white space."""
    if " \n" in body or "\t\n" in body:
        body = _TRAILING_BLANKS.sub("", body)
    if "\n\n\n" in body:
        body = _BLANK_LINES.sub("\n\n", body)
    if any(two in body for two in ("  ", "\t\t", " \t", "\t ")):
        body = _RUN_OF_BLANKS.sub(" ", _DEEP_INDENTATION.sub(r"\1", body))
    return body


def _tidied(pieces: Iterator[str]) -> Iterator[str]:
    """Yield the pieces with tidy white space within and between them."""
    gap, in_text = "", False
    for piece in pieces:
        body = piece.rstrip(_BLANKS)
        tail = piece[len(body) :]
        if not body:
            gap = _tidy_gap(gap + tail, in_text=in_text)
            yield ""
            continue
        body = gap + body
        if not in_text:  # no blank lines before the first line, but its indentation
            visible = body.lstrip(_BLANKS)
            body = body[body.rfind("\n", 0, len(body) - len(visible)) + 1 :]
        # What is before it decides whether blanks are indentation: it is put there and taken away again.
        yield _tidy_body(("x" if in_text else "\n") + body)[1:]
        gap, in_text = _tidy_gap(tail, in_text=True), True
    yield "\n" if in_text and "\n" in gap else ""


def clean(text: str, form: Form = "NFC", *, size: int = CHUNK, poll: Poll = no_poll) -> str:
    """Return ``text`` with tidy Unicode and white space.

    Args:
        text: Any text, lone surrogates included: they become U+FFFD.
        form: Unicode normalization form.
        size: Characters to work on at a time; it does not change the result.
        poll: Called after each of them.
    """
    done: list[str] = []
    for piece in _tidied(clean_characters(piece, form) for piece in _pieces(text, size)):
        done.append(piece)
        poll()
    return "".join(done)
