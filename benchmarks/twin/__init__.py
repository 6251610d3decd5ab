"""The asyncio twin: the same system by the means of asyncio, and nothing of atrio's or Trio's."""
