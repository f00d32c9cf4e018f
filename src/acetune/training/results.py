"""What a finished training leaves for other programs: the adapter in every default format, or a whole model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from acetune.adapters.adapter import Adapter
from acetune.events import Job, Saved
from acetune.families.family import FamilyCard
from acetune.formats.format import Bench, export_checked, suitable
from acetune.formats.model import write_model
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training.session import Session

#: Number format of what is written for other programs.
DTYPE: Final = "bfloat16"


def write_result(run: Run, session: Session, adapter: Adapter, card: FamilyCard, job: Job) -> Path:
    """Write what was trained for other programs, checked, and return the file or folder to name first.

    Raises:
        CorruptFile: If something does not give back what was written.
        DiskFull, NotWritable: As the file system says.
    """
    stem = f"{run.name}_final"
    if adapter.facts.kind == WHOLE:
        target = run.adapters / stem
        write_model(session.family, adapter, target, DTYPE)
        job.report(Saved(path=run.relative(target), what="model", step=adapter.facts.step))
        return target
    written, bench = [], Bench(session.family, session.network)
    for form in suitable(adapter.facts, job):
        target = form.target(run.adapters, stem)
        with session.in_use():
            export_checked(form, adapter, card, target, DTYPE, bench)
        caveat = form.caveat(adapter, card)
        if caveat:
            job.tell(caveat, subject=target.name)
        job.report(Saved(path=run.relative(target), what=form.name, step=adapter.facts.step))
        written.append(target)
    return written[0]
