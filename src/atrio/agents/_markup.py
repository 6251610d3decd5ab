"""What of a Markdown text is no prose: code, comments, tags and the targets of links, chunk by chunk."""

import re
from typing import Final

_NAMES: Final = (
    "a|abbr|article|aside|audio|b|big|blockquote|br|button|caption|center|cite|code|col|colgroup|dd|del|details|dfn|div|"
    "dl|dt|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|"
    "ol|p|picture|pre|q|s|samp|script|section|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "tfoot|th|thead|tr|track|tt|u|ul|var|video|wbr"
)
_NAME: Final = rf"/?(?:{_NAMES})(?=[\s/>])"

# All of these are bounded, and none has a place within it where a long text may be cut: see `INSIDE` and `ACROSS`. What
# stands between backticks is code, of which a reader reads every character; looking at its neighbours tells enough.
_COMMENT: Final = r"<(?<!`<)!--(?:(?!-->|<!--)[^\n]){0,1000}-->"
_QUOTED: Final = "{0}[^{0}()\n]{{0,150}}+(?:\\([^{0}()\n]{{0,50}}+\\)[^{0}()\n]{{0,50}}+){{0,3}}+{0}"
_TITLE: Final = rf"""(?:{_QUOTED.format('"')}|{_QUOTED.format("'")}|\([^()\n]{{0,150}}+\))"""
_ADDRESS: Final = r"[^\s()<>`]"
_TARGET: Final = (
    r"\([ \t]{0,9}+"
    rf"(?:<[^<>\n]{{0,600}}+>|{_ADDRESS}{{0,600}}+(?:\({_ADDRESS}{{0,100}}+\){_ADDRESS}{{0,100}}+){{0,3}}+)"
    rf"(?:[ \t]{{1,9}}+{_TITLE})?+[ \t]{{0,9}}+\)(?!`)"
)
_IMAGE: Final = rf"!\[[^\[\]\n]{{0,300}}+\]{_TARGET}"
_LINK_END: Final = rf"\]{_TARGET}"
_DEFINITION: Final = (
    r"\[(?:(?<![^\n]\[)|(?<=\n \[)|(?<=\n  \[)|(?<=\n   \[))(?!\^)[^\[\]\n]{1,300}+\]:[ \t]{0,9}+"
    r"(?:<[^<>\n]{0,600}+>|(?=\S*(?:[/#:@]|\.\w))\S{1,600}+)"  # "[note]: important" is prose
    rf"(?:[ \t]{{1,9}}+{_TITLE})?+[ \t\r]{{0,9}}+(?=\n|\Z)"
)
_GAP: Final = r"(?:[ \t\r]+\n?|\n)[ \t]*"
_TAG: Final = (
    rf"<{_NAME}(?=[^<>]{{0,1000}}>)"
    rf"""(?:{_GAP}[A-Za-z_:@][\w:@.-]*=(?:"[^"<>]*"|'[^'<>]*'|[^\s"'=<>`]+)|{_GAP}(?:open|hidden|disabled|checked|controls|"""
    rf"""async|defer|loop|muted|reversed))*+(?:{_GAP})?/?>(?!`)"""
)

# At once, so that what is left out cannot make a link of what stood around it.
_SPAN: Final = re.compile(f"{_LINK_END}|{_IMAGE}|{_COMMENT}|{_TAG}|{_DEFINITION}")

# A quotation mark stands for each: it ends a word, may follow a full stop, and begins no item of a list.
_STAND_IN: Final = '"'

INSIDE: Final = (
    r"(?<!\]\((?:[^\n()]|\([^\n()]{0,150}\)){0,1800})"
    r"(?<!!\[[^\n\[\]]{0,300})"
    r"(?<!<!--(?:(?!-->|<!--)[^\n]){0,1000})"
    r"(?<!(?m:^) {0,3}(?:```|~~~)[^\n]{0,1000})"
    r"(?<!(?m:^) {0,3}\[[^\]\n]{1,300}\]:[^\n]{0,1500})"
)
"""Pattern of `regex` that refuses places within a line that may be inside of something that is left out."""

ACROSS: Final = rf"(?<!<{_NAME}[^<>]{{0,1000}})"
"""The same for what may go on over the end of a line."""

_OPENING: Final = re.compile(r"(?m)^ {0,3}(`{3,}(?=[^`\n]{0,1000}$)|~{3,}|<!--)")
_FENCE: Final = re.compile(r"(?m)^ {0,3}(`{3,}|~{3,})[ \t\r]{0,1000}$")

_FRONT_MATTER: Final = re.compile(
    r"(?m)\A---[ \t\r]*\n(?=[\w.\"'-]{1,100}:\s)(?:(?!(?:---|\.\.\.)[ \t\r]*$)[^\n]*\n){1,1000}"
    r"(?:---|\.\.\.)[ \t\r]*(?:\n|\Z)"
)


def front_matter_end(text: str) -> int:
    """Return how many characters of YAML ``text`` begins with, its rulers included; most begin with none."""
    found = _FRONT_MATTER.match(text) if text.startswith("---") else None
    return found.end() if found else 0


class Markup:
    """Tells prose from what is none, over chunks that are cut by `atrio.agents._chunks`.

    Attributes:
        open: What began the fenced code or the comment that goes on at the end of what was seen; else empty.
        code_lines: Lines of fenced code.
    """

    def __init__(self) -> None:
        self.open = ""
        self.code_lines = 0

    def prose(self, chunk: str) -> str:
        """Return ``chunk`` without code and comments, images, tags, and the targets of links."""
        if self.open or "```" in chunk or "~~~" in chunk or "<!--" in chunk:
            chunk = self._without_blocks(chunk)
        return _without_spans(chunk)

    def finish(self, text: str) -> None:
        """Say that ``text`` is at its end, where a fence that was never closed ends too."""
        if self.open not in {"", "<!--"} and text.endswith("\n"):
            self.code_lines -= 1

    def _without_blocks(self, chunk: str) -> str:
        kept: list[str] = []
        start = self._end_of_block(chunk, 0) if self.open else 0
        while start is not None:
            opening = _OPENING.search(chunk, start)
            if opening is None:
                kept.append(chunk[start:])
                break
            kept.append(chunk[start : opening.start()] + "\n\n")
            self.open = opening[1]
            start = self._end_of_block(chunk, opening.end())
        return "".join(kept)

    def _end_of_block(self, chunk: str, start: int) -> int | None:
        """Return where the open block ends, or None if it goes on after the chunk."""
        if self.open == "<!--":
            end = chunk.find("-->", start)
            if end < 0:
                return None
            self.open = ""
            return end + 3
        for fence in _FENCE.finditer(chunk, start):
            if fence[1].startswith(self.open):
                self.code_lines += chunk.count("\n", start, fence.start()) - 1
                self.open = ""
                return fence.end()
        self.code_lines += chunk.count("\n", start)
        return None


def _without_spans(prose: str) -> str:
    # Looking for these takes a hundredth of the time of looking for what they are a part of.
    return _SPAN.sub(_STAND_IN, prose) if "](" in prose or "<" in prose or "]:" in prose else prose
