"""What the ready-made agents of :mod:`atrio.agents` say of themselves. They are data: nothing of them is imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from atrio.registry.definitions import ANY_SCHEMA, AgentDefinition, Capability

__all__ = ["BUILT_IN_AGENTS"]

# The package and not the modules in it: it says what to install where an optional package is missing.
_MODULE: Final = "atrio.agents"

BUILT_IN_AGENTS: Final[Mapping[str, AgentDefinition]] = MappingProxyType({
    "text_cleaner": AgentDefinition(
        agent_class="TextCleaner",
        module_path=_MODULE,
        capabilities=(Capability.DATA_TRANSFORMATION,),
        input_schema="text",
        output_schema="text",
    ),
    "text_analyzer": AgentDefinition(
        agent_class="TextAnalyzer",
        module_path=_MODULE,
        capabilities=(Capability.CONTENT_ANALYSIS,),
        input_schema="text",
        output_schema="text_analysis",
    ),
    "report_writer": AgentDefinition(
        agent_class="ReportWriter",
        module_path=_MODULE,
        capabilities=(Capability.REPORTING,),
        input_schema=ANY_SCHEMA,
        output_schema="report",
    ),
})  # fmt: skip
"""The definitions of the ready-made agents, by the ids that their records bear.

``text`` is any str, ``text_analysis`` a :class:`~atrio.agents.TextAnalysis`, ``report`` a str of Markdown or HTML.
"""
