"""Qwen2.5-Omni as it listens: the thinker alone, without the part that speaks.

ACE-Step's captioner and transcriber are fine-tuned from it, so one class serves all three. A whole Omni checkpoint is
read; the tensors of its talker are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from acetune.annotation import checkpoints
from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.loading import is_slow, lack_of_room, loaded, speech_readers, unloadable
from acetune.annotation.speaking import Manner, Spoken, speak
from acetune.audio.signal import Samples
from acetune.errors import AcetuneError, DataError, MissingDependency
from acetune.events import Job

if TYPE_CHECKING:
    import torch

#: The rate that the audio tower was trained with.
RATE_HZ: Final = 16_000
PREFIX: Final = "thinker."
#: What surrounds a user's turn where a checkpoint brings no template of its own (Qwen's ChatML).
_CHAT: Final = "<|im_start|>{role}\n{content}<|im_end|>\n"
_AUDIO: Final = ("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")


@dataclass(frozen=True)
class Question:
    """What is asked about a piece of audio.

    Attributes:
        text: Stands behind the audio.
        manner: How the model answers.
        system: Stands before everything; empty for the checkpoint's own.
    """

    text: str
    manner: Manner
    system: str = ""


@dataclass(frozen=True)
class Heard:
    """What a model said about a piece of audio: its words, how sure it was of them, and whether they were cut."""

    text: str
    confidence: float | None
    truncated: bool


@dataclass(frozen=True)
class Omni:
    """An opened model.

    Attributes:
        model: The thinker.
        tokenizer: Of its checkpoint.
        features: Makes mel spectrograms of audio at 16 kHz.
    """

    model: Any
    tokenizer: Any
    features: Any

    @property
    def window_seconds(self) -> float:
        """Return how much it hears at once: 300 s in the published checkpoints."""
        return float(self.features.n_samples / RATE_HZ)

    def ask(self, question: Question, audio: Samples, *, seed: int, job: Job, stage: str) -> Heard:
        """Return what the model says about mono audio at 16 kHz, at most `window_seconds` of it.

        Raises:
            Stopped: If asked to, within a token.
            OutOfMemory: If the device has no room for it.
        """
        inputs = self.inputs(question, audio)
        spoken: Spoken = speak(self.model, inputs, question.manner, seed=seed, job=job, stage=stage)
        text = self.tokenizer.decode(spoken.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Heard(text.strip(), spoken.confidence, spoken.truncated)

    def inputs(self, question: Question, audio: Samples) -> dict[str, torch.Tensor]:
        """Return the arguments of the model's `generate`: the audio stands for one token every 40 ms of it."""
        import torch

        heard = self.features(
            audio, sampling_rate=RATE_HZ, padding="max_length", return_attention_mask=True, return_tensors="pt"
        )
        frames = int(heard["attention_mask"].sum())
        before, token, after = _AUDIO
        written = self.written(question).replace(token, token * audio_tokens(frames))
        ids = self.tokenizer(written, return_tensors="pt", add_special_tokens=False).input_ids
        weight = next(self.model.parameters())
        values = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "input_features": heard["input_features"].to(weight.dtype),
            "feature_attention_mask": heard["attention_mask"],
        }
        return {name: value.to(weight.device) for name, value in values.items()}

    def written(self, question: Question) -> str:
        """Return the question as the checkpoint's own template writes it, with one token for the audio."""
        marks = "".join(_AUDIO)
        turns = [{"role": "system", "content": question.system}] if question.system else []
        if self.tokenizer.chat_template is None:
            turns.append({"role": "user", "content": marks + question.text})
            return "".join(_CHAT.format(**turn) for turn in turns) + "<|im_start|>assistant\n"
        content = [{"type": "audio", "audio": ""}, {"type": "text", "text": question.text}]
        written: str = self.tokenizer.apply_chat_template(
            [*turns, {"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return written


def lack_of_omni(setup: Setup, name: str) -> AcetuneError | None:
    """Return why an annotator of this class cannot be used: no weights, no whole ones, or no room for them."""
    try:
        return lack_of_room(checkpoints.own(setup, name), setup.device, PREFIX)
    except (MissingDependency, DataError) as error:
        return error


@contextmanager
def opened_omni(folder: Path, device: str, job: Job) -> Iterator[Omni]:
    """Yield a Qwen2.5-Omni of a folder; its memory is free again afterwards.

    Args:
        folder: A whole checkpoint.
        device: As `acetune.compute.device` knows it.
        job: Is told where every song will take long.

    Raises:
        DataError: If the folder holds another kind of model, or lacks some of its files.
        OutOfMemory: If it has no room here.
        MissingDependency: If it would have room with bitsandbytes.
    """
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    tokenizer, features = _readers(folder)
    with loaded(Qwen2_5OmniThinkerForConditionalGeneration, folder, device, PREFIX) as model:
        if is_slow(model):
            job.tell(DataError("listening.slow", path=folder))
        yield Omni(model, tokenizer, features)


@contextmanager
def hearing(
    setup: Setup, name: str, job: Job, listen: Callable[[Omni, Job, Song], Mapping[str, Guess]]
) -> Iterator[Listen]:
    """Yield a function that lets the model of an annotator hear a song (raises as `opened_omni`).

    Args:
        setup: Where its weights are, and the device.
        name: Of the annotator.
        job: Can stop it within a token.
        listen: What it makes of a song with its model.
    """
    with opened_omni(checkpoints.own(setup, name), setup.device, job) as omni:
        yield partial(listen, omni, job)


def audio_tokens(frames: int) -> int:
    """Return how many tokens stand for so many mel frames of 10 ms.

    The tower halves them twice: by a convolution of stride 2, which rounds up, and by pooling, which rounds down.
    """
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def _readers(folder: Path) -> tuple[Any, Any]:
    """Return tokenizer and mel front end of a checkpoint, without what it needs for pictures only."""
    tokenizer, features = speech_readers(folder)
    if any(len(tokenizer(mark, add_special_tokens=False).input_ids) != 1 for mark in _AUDIO):
        raise unloadable(folder, f"its tokenizer does not know {_AUDIO[1]}")
    if tokenizer.chat_template is None:
        tokenizer.chat_template = _template(folder)
    return tokenizer, features


def _template(folder: Path) -> str | None:
    """Return the template that older checkpoints keep beside their tokenizer."""
    file = folder / "chat_template.json"
    if not file.is_file():
        return None
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["chat_template"])
    except (ValueError, KeyError, TypeError) as cause:
        raise unloadable(file, cause) from cause
