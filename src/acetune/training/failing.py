"""What a training that failed leaves in its run."""

from __future__ import annotations

from contextlib import suppress

from acetune.errors import AcetuneError, ResourceError, Stopped, TrainingDiverged
from acetune.events import Noticed, StageEnded
from acetune.run import Run


def record_failure(run: Run, error: AcetuneError) -> None:
    """Leave in the run why it ended, unless the loop said so already or the disk takes no more."""
    if error.code == "training.stopped" or isinstance(error, TrainingDiverged) or not run.events_file.is_file():
        return
    outcome = "stopped" if isinstance(error, Stopped) else "failed"
    with suppress(ResourceError):
        if outcome == "failed":
            run.append_event(Noticed(code=error.code, message=error.message(), severity="error"))
        run.append_event(StageEnded(stage="train", outcome=outcome, result={"code": error.code}))
