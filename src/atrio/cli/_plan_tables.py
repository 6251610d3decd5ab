"""A plan of who does what, in words: as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from atrio.cli._render import paragraph, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from atrio.cli._assembly import Step
    from atrio.cli._render import Cell
    from atrio.registry import Candidate

_NUMBERS: Final = frozenset({"stage"})
_LEGEND: Final = (
    "A score is capability x performance x availability: how good it is at it, as its definition says; what its calls "
    "have shown, which is neutral here, as none was made yet; the share of its places that is free, 0 if it cannot "
    "work. Of the chains in which each can take what the one before it gives, that with the highest product of "
    "capabilities is chosen."
)


def plan_tables(steps: Sequence[Step]) -> Iterator[str]:
    """Yield a plan as tables: the stages, and who could have been in them."""
    stages = ((str(place), step.capability, step.agent_id, step.takes, step.gives) for place, step in enumerate(steps))
    heads = ("stage", "for", "agent", "takes", "gives")
    yield table_of("+".join(step.agent_id for step in steps), heads, stages, to_the_right=_NUMBERS)
    rows = (
        (str(place), candidate.agent_id, _score(candidate), _why(candidate, why))
        for place, step in enumerate(steps)
        for candidate, why in step.candidates
    )
    yield table_of("who can do it", ("stage", "agent", "score", "why"), rows, to_the_right=_NUMBERS)
    yield paragraph(_LEGEND)


def _score(candidate: Candidate) -> str:
    factors = (candidate.capability_score, candidate.performance, candidate.availability)
    return f"{candidate.score:.3g} = {' x '.join(f'{factor:.3g}' for factor in factors)}"


def _why(candidate: Candidate, why: str) -> Cell:
    return why, "green" if why.startswith("chosen") else "yellow" if candidate.refusal else ""


def plan_as_dict(steps: Sequence[Step]) -> dict[str, Any]:
    """Return a plan ready for ``json.dumps``."""
    return {
        "pipeline_id": "+".join(step.agent_id for step in steps),
        "stages": [
            {
                "stage_id": f"stage_{place}_{step.agent_id}",
                "capability": step.capability,
                "agent": step.agent_id,
                "input_schema": step.takes,
                "output_schema": step.gives,
                "candidates": [{**attrs.asdict(candidate), "why": why} for candidate, why in step.candidates],
            }
            for place, step in enumerate(steps)
        ],
    }
