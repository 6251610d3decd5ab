"""What the ready-made agents of :mod:`atrio.agents` say of themselves. They are data: nothing of them is imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from atrio.registry.definitions import ANY_SCHEMA, AgentDefinition, Capability, ResourceRequirements

__all__ = ["BUILT_IN_AGENTS"]

# The package and not the modules in it: it says what to install where an optional package is missing.
_MODULE: Final = "atrio.agents"
_NO_PROVIDER: Final = (
    "no provider of language models is configured: add a table [providers.NAME] to atrio.toml, or give it the option "
    "base_url"
)

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
    "json_transformer": AgentDefinition(
        agent_class="JsonTransformer",
        module_path=_MODULE,
        capabilities=(Capability.DATA_TRANSFORMATION,),
        input_schema="json",
        output_schema="json",
        # It must be told what to do, which text_cleaner need not be, and so is the second choice where both would do.
        scores={Capability.DATA_TRANSFORMATION: 0.9},
    ),
    "json_validator": AgentDefinition(
        agent_class="JsonValidator",
        module_path=_MODULE,
        capabilities=(Capability.VALIDATION,),
        input_schema="json",
        output_schema="json",
    ),
    "webhook": AgentDefinition(
        agent_class="Webhook",
        module_path=_MODULE,
        capabilities=(Capability.COMMUNICATION,),
        input_schema=ANY_SCHEMA,
        output_schema="json",
    ),
    "command_runner": AgentDefinition(
        agent_class="CommandRunner",
        module_path=_MODULE,
        capabilities=(Capability.TASK_PROCESSING,),
        input_schema=ANY_SCHEMA,
        output_schema="json",
        # As json_transformer.
        scores={Capability.TASK_PROCESSING: 0.9},
    ),
    "report_writer": AgentDefinition(
        agent_class="ReportWriter",
        module_path=_MODULE,
        capabilities=(Capability.REPORTING,),
        input_schema=ANY_SCHEMA,
        output_schema="report",
    ),
    "task_processor": AgentDefinition(
        agent_class="TaskProcessor",
        module_path=_MODULE,
        capabilities=(Capability.TASK_PROCESSING,),
        input_schema=ANY_SCHEMA,
        output_schema="task_result",
        resource_requirements=ResourceRequirements(memory_mb=512, cpu_cores=1),
        unavailable=_NO_PROVIDER,
    ),
    "content_analyzer": AgentDefinition(
        agent_class="ContentAnalyzer",
        module_path=_MODULE,
        capabilities=(Capability.CONTENT_ANALYSIS,),
        input_schema="text",
        output_schema="content_analysis",
        resource_requirements=ResourceRequirements(memory_mb=1024, cpu_cores=1),
        unavailable=_NO_PROVIDER,
    ),
    "data_transformer": AgentDefinition(
        agent_class="DataTransformer",
        module_path=_MODULE,
        capabilities=(Capability.DATA_TRANSFORMATION,),
        input_schema=ANY_SCHEMA,
        output_schema="json",
        resource_requirements=ResourceRequirements(memory_mb=256, cpu_cores=1),
        unavailable=_NO_PROVIDER,
    ),
})  # fmt: skip
"""The definitions of the ready-made agents, by the ids that their records bear.

``text`` is any str, ``text_analysis`` a :class:`~atrio.agents.TextAnalysis`, ``json`` what a JSON text can hold (dicts,
lists, str, int, float, bool and None), ``report`` a str of Markdown or HTML, ``task_result`` and ``content_analysis``
objects that a language model filled in. A chain leads from each capability to ``reporting``. Four of them must be told
what to do: ``json_transformer`` its ``expression``, ``json_validator`` its ``schema``, ``webhook`` its ``url``,
``command_runner`` its ``command``. The last three ask a language model, and are not available until they have its
``base_url``: a :class:`~atrio.config.Workspace` gives it to them where the configuration has a provider; in a program,
use ``attrs.evolve(definition, unavailable=None, configuration={"base_url": ...})``.
"""
