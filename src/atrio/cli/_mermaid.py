"""Pipelines as flowcharts in the language of Mermaid."""

from __future__ import annotations

import re
from itertools import count, pairwise
from typing import TYPE_CHECKING, Final

from atrio.cli._streams import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from atrio.cli._pipeline_tables import PipelineShown, StageShown
    from atrio.config import Configuration

# What ends a label, begins an entity, a list or other Markdown, or is taken for HTML.
_SPECIAL: Final = re.compile(r"[^\w\s.,:;!?()+/=-]|^[-+]|^\d(?=\d*[.)])", re.ASCII)


def flowchart(pipeline: PipelineShown, configuration: Configuration) -> Iterator[str]:
    """Yield the lines of a flowchart: a node for each stage, and in it those that share its work.

    Args:
        pipeline: what is drawn.
        configuration: says what its agents are.
    """
    yield "flowchart LR\n"
    drawing = _Drawing(configuration)
    nodes = [f"stage{number}" for number in range(len(pipeline.stages))]
    for node, stage in zip(nodes, pipeline.stages, strict=True):
        yield from (f"    {line}\n" for line in drawing.stage(node, stage))
    for one, other in pairwise(nodes):
        yield f"    {one} --> {other}\n"
    skipped = [node for node, stage in zip(nodes, pipeline.stages, strict=True) if stage.error_policy == "skip"]
    if skipped:
        yield "    classDef skipped stroke-dasharray: 5 5\n"
        yield f"    class {','.join(skipped)} skipped\n"


class _Drawing:
    """The nodes of a flowchart."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._numbers = count()

    def stage(self, node: str, stage: StageShown) -> Iterator[str]:
        """Yield the lines that draw a stage."""
        words = [stage.stage_id if stage.agent == stage.stage_id else f"{stage.stage_id}: {stage.agent}"]
        if stage.attempts > 1:
            words.append(f"{stage.attempts} attempts")
        if stage.timeout_s is not None:
            words.append(f"{stage.timeout_s:g} s each" if stage.attempts > 1 else f"{stage.timeout_s:g} s")
        yield from self._drawn(node, stage.agent, words)

    def _drawn(self, node: str, name: str, words: Sequence[str]) -> Iterator[str]:
        """Yield the lines that draw what is called `name`, and what it is made of, but for pipelines."""
        file = self._configuration
        if name in file.pools:
            members = [(member.agent, None) for member in file.pools[name].members]
            yield from self._group(node, [*words, "one of"], members)
        elif name in file.fan_outs:
            yield from self._group(node, [*words, "all at once"], _by_key(file.fan_outs[name].agents))
        elif name in file.routers:
            router = file.routers[name]
            yield from self._group(node, [*words, f"by {router.choose}"], _by_key(router.agents))
        elif name in file.pipelines:
            yield f"{node}[[{_label(words)}]]"
        else:
            yield f"{node}[{_label(words)}]"
        yield from self._fallbacks(node, name)

    def _group(self, node: str, words: Iterable[str], members: Iterable[tuple[str, str | None]]) -> Iterator[str]:
        yield f"subgraph {node}[{_label(words)}]"
        for agent, key in members:
            called = [agent if key in {None, agent} else f"{key}: {agent}"]
            yield from (f"    {line}" for line in self._drawn(f"member{next(self._numbers)}", agent, called))
        yield "end"

    def _fallbacks(self, node: str, name: str) -> Iterator[str]:
        guarded = self._configuration.agents.get(name) or self._configuration.pools.get(name)
        before = node
        for agent in guarded.fallback if guarded else ():
            fallback = f"fallback{next(self._numbers)}"
            yield f"{before} -. {_label(['if it fails'])} .-> {fallback}[{_label([agent])}]"
            before = fallback


def _by_key(agents: Mapping[str, str]) -> list[tuple[str, str | None]]:
    return [(agent, key) for key, agent in agents.items()]


def _label(words: Iterable[str]) -> str:
    """Return words as a label of a line each, in which nothing but the words is there to see."""
    return '"' + "<br/>".join(_SPECIAL.sub(_entity, printable(line)) for line in words) + '"'


def _entity(found: re.Match[str]) -> str:
    return f"#{ord(found[0])};"
