"""The events of language models."""

from __future__ import annotations

from typing import ClassVar

import attrs

from atrio.events._envelope import Envelope
from atrio.events._levels import Level


@attrs.frozen(slots=False)
class ModelCalled(Envelope):
    """A call of a language model ended, in whatever way.

    Attributes:
        stage_id: the stage that it was made in, None outside of pipelines.
        task_id: the batch task that it was made in, None if a pipeline's stage is nearer.
        agent_id: the agent that made it.
        provider: what the endpoint is called: the name given to it, or its host.
        model: the model.
        input_tokens: how many tokens the model was given, None if the endpoint did not say.
        output_tokens: how many it wrote, None if the endpoint did not say.
        duration_s: seconds from the request to the end of the answer, on Trio's clock.
        finish_reason: why the model stopped, None if it was not said.
        error_type: the class of what the call failed with; `timeout` when its time ran out, `cancelled` when it was
            cancelled.
        error_message: what that says.
    """

    event_name: ClassVar[str] = "model.call"
    level: ClassVar[Level] = "debug"

    stage_id: str | None
    task_id: str | None
    agent_id: str
    provider: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    duration_s: float
    finish_reason: str | None
    error_type: str | None
    error_message: str | None
