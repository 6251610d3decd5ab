"""Agents that shout."""

print("imported: shouting_agents")  # noqa: T201 - the test looks for what is imported, and when
