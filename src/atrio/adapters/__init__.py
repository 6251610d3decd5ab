"""Agents from elsewhere: blocking functions."""

from atrio.adapters.threads import ThreadAgent, in_thread

__all__ = ["ThreadAgent", "in_thread"]
