"""Models that answer in words: asked with a seed, stopped within a token, and sure of themselves to a degree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acetune import compute
from acetune.annotation.annotator import Song
from acetune.annotation.loading import out_of_memory
from acetune.events import Job
from acetune.files import hash_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Manner:
    """How a model answers.

    Attributes:
        tokens: It is cut after so many.
        temperature: 0 always takes the likeliest token.
        top_p: Share of the likeliest tokens to draw from.
        repetition_penalty: Above 1, words that were said become less likely.
        ends: Tokens that end an answer beside the model's own.
    """

    tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Spoken:
    """An answer.

    Attributes:
        ids: Its tokens, without the question's.
        confidence: Geometric mean of what the model gave its own tokens; None for an empty answer.
        truncated: Whether it was cut.
    """

    ids: tuple[int, ...]
    confidence: float | None
    truncated: bool


def speak(model: Any, inputs: Mapping[str, Any], manner: Manner, *, seed: int, job: Job, stage: str) -> Spoken:
    """Return what a model answers; the same seed gives the same answer on the same machine.

    Args:
        model: A causal model of transformers.
        inputs: Of its `generate`, on its device; "input_ids" (1, tokens) among them.
        manner: How it answers.
        seed: Of the draws.
        job: May stop it between two tokens.
        stage: Name of the work.

    Raises:
        Stopped: If asked to.
        OutOfMemory: If the device has no room for the song.
    """
    import torch

    sureness, stop = Sureness(), _stopping(job)
    ends = {*end_tokens(model), *manner.ends}
    drawn = {"do_sample": True, "temperature": manner.temperature, "top_p": manner.top_p, "top_k": 0}
    chosen: dict[str, Any] = drawn if manner.temperature else {"do_sample": False}
    with out_of_memory(), torch.inference_mode(), compute.seeded(seed, model.device):
        ids = model.generate(
            **inputs,
            **chosen,
            max_new_tokens=manner.tokens,
            eos_token_id=sorted(ends) or None,
            repetition_penalty=manner.repetition_penalty,
            logits_processor=[sureness],
            stopping_criteria=[stop],
        )
    job.check_stop(stage)
    answer = tuple(ids[0, inputs["input_ids"].shape[1] :].tolist())
    return Spoken(answer, sureness.mean(), len(answer) >= manner.tokens and answer[-1] not in ends)


def seed_of(song: Song, purpose: str) -> int:
    """Return the seed of what is drawn for a song: it follows from the song alone."""
    from acetune.flow import randomness

    return randomness.key(0, purpose, int(hash_of(song.track.path), 16))


def end_tokens(model: Any) -> frozenset[int]:
    """Return the tokens that end an answer."""
    end = model.generation_config.eos_token_id
    return frozenset([end] if isinstance(end, int) else end or ())


class Sureness:
    """A logits processor that leaves the scores as they are and keeps how likely the chosen tokens were.

    The logarithms are summed on the device: reading them at each token would make it wait.
    """

    def __init__(self) -> None:
        self.count = 0
        self._total: torch.Tensor | None = None
        self._scores: torch.Tensor | None = None
        self._length = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note how likely the last token was; the first one of a new answer follows no scores of it."""
        if self._scores is not None and input_ids.shape[1] == self._length + 1:
            likely = self._scores.log_softmax(-1)[0, input_ids[0, -1]]
            self._total = likely if self._total is None else self._total + likely
            self.count += 1
        self._scores, self._length = scores, input_ids.shape[1]
        return scores

    def mean(self) -> float | None:
        """Return the geometric mean of the probabilities; None of none."""
        return None if self._total is None else float((self._total / self.count).exp())


def _stopping(job: Job) -> Callable[..., torch.Tensor]:
    """Return a stopping criterion that ends an answer when the job was asked to stop."""
    import torch

    def asked(input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        return torch.full((len(input_ids),), job.stop_requested(), device=input_ids.device)

    return asked
