"""Agents by what they can do: found, ranked, planned with, and assembled to pipelines."""

from atrio.registry.built_in import BUILT_IN_AGENTS
from atrio.registry.catalogue import AgentRegistry
from atrio.registry.definitions import ANY_SCHEMA, AgentDefinition, Capability, ResourceRequirements
from atrio.registry.ranking import Candidate
from atrio.registry.snapshot import Catalogue

__all__ = [
    "ANY_SCHEMA",
    "BUILT_IN_AGENTS",
    "AgentDefinition",
    "AgentRegistry",
    "Candidate",
    "Capability",
    "Catalogue",
    "ResourceRequirements",
]
