"""Whisper, which writes down words with their times: as transformers runs it, or as faster-whisper does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from acetune import compute
from acetune.annotation.loading import is_slow, load_errors, loaded, out_of_memory, speech_readers, unloadable
from acetune.annotation.speaking import Sureness
from acetune.audio.signal import Samples
from acetune.errors import DataError, MissingDependency, Stopped
from acetune.events import Job

if TYPE_CHECKING:
    import torch

#: The rate that Whisper was trained with.
RATE_HZ: Final = 16_000
_STAGE: Final = "whisper"
#: Draws grow bolder as long as an answer repeats itself or is improbable (Radford et al. 2022, section 4.5); the ratio
#: is that of transformers, which compresses tokens and not letters.
_TEMPERATURES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_TOKEN_RATIO, _LETTER_RATIO, _LOG_PROBABILITY, _NO_SPEECH = 1.35, 2.4, -1.0, 0.6
#: Windows that vote on the language: the first may be an intro.
_VOTERS: Final = 5


@dataclass(frozen=True)
class Line:
    """Words, and the second at which they begin."""

    start: float
    text: str


@dataclass(frozen=True)
class Recognised:
    """What was understood.

    Attributes:
        language: Its code; None where the model knows one language only.
        confidence: 0 to 1; None where nothing was understood.
    """

    lines: tuple[Line, ...]
    language: str | None
    confidence: float | None


class Recogniser(Protocol):
    """Something that writes down mono audio at 16 kHz of any length."""

    def hear(self, audio: Samples, *, seed: int, job: Job) -> Recognised:
        """Return the words in audio (raises Stopped if asked to, between two windows at the latest)."""
        ...


@contextmanager
def opened_recogniser(folder: Path, device: str, job: Job) -> Iterator[Recogniser]:
    """Yield the recogniser of a folder, whichever of the two kinds it is; its memory is free again afterwards.

    Raises:
        DataError: If the folder holds another kind of model.
        MissingDependency: If it is faster-whisper's and the package is missing.
        OutOfMemory: If it has no room here.
    """
    if is_converted(folder):
        yield _opened_faster(folder, device)
        return
    from transformers import WhisperForConditionalGeneration

    tokenizer, features = speech_readers(folder)
    with loaded(WhisperForConditionalGeneration, folder, device) as model:
        if getattr(model.generation_config, "no_timestamps_token_id", None) is None:
            raise unloadable(folder, "its generation_config.json knows no times")
        if is_slow(model):
            job.tell(DataError("listening.slow", path=folder))
        yield Whisper(model, tokenizer, features)


def is_converted(folder: Path) -> bool:
    """Whether a folder holds weights in the form of CTranslate2, which faster-whisper reads."""
    return (folder / "model.bin").is_file()


def lack_of_faster_whisper(folder: Path) -> MissingDependency | None:
    """Return that a folder needs faster-whisper and the package is not here, if so."""
    needed = is_converted(folder) and find_spec("faster_whisper") is None
    return MissingDependency("listening.needs_faster_whisper", path=folder) if needed else None


@dataclass(frozen=True)
class Whisper:
    """Whisper of transformers.

    Attributes:
        model: A ``WhisperForConditionalGeneration``.
        tokenizer: Of its checkpoint.
        features: Makes mel spectrograms of audio at 16 kHz.
    """

    model: Any
    tokenizer: Any
    features: Any

    def hear(self, audio: Samples, *, seed: int, job: Job) -> Recognised:
        """Return the words in audio; see `Recogniser`."""
        import torch

        sure = Sureness()
        with out_of_memory(), torch.inference_mode(), compute.seeded(seed, self.model.device):
            inputs = self._inputs(audio)
            language = self._language(inputs["input_features"])
            segments = self._segments(inputs, language, sure, job)
        lines = [Line(float(segment["start"]), self._words(segment["tokens"])) for segment in segments]
        end = len(audio) / RATE_HZ  # the last window is filled up, and what it holds there is no song
        return Recognised(tuple(line for line in lines if line.text and line.start < end), language, sure.mean())

    def _inputs(self, audio: Samples) -> dict[str, torch.Tensor]:
        """Return mel features: padded to one window, or as long as the audio is."""
        is_short = len(audio) <= self.features.n_samples
        heard = self.features(
            audio,
            sampling_rate=RATE_HZ,
            padding="max_length" if is_short else "longest",
            truncation=False,
            return_attention_mask=True,
            return_tensors="pt",
        )
        weight = next(self.model.parameters())
        return {
            "input_features": heard["input_features"].to(weight.device, weight.dtype),
            "attention_mask": heard["attention_mask"].to(weight.device),
        }

    def _segments(
        self, inputs: dict[str, torch.Tensor], language: str | None, sure: Sureness, job: Job
    ) -> Sequence[dict[str, Any]]:
        """Return what the model wrote, segment by segment; improbable segments without speech are dropped."""
        spoken = {"task": "transcribe", "language": language} if language else {}
        out = self.model.generate(
            **inputs,
            **spoken,
            return_timestamps=True,
            return_segments=True,
            condition_on_prev_tokens=False,
            temperature=_TEMPERATURES,
            compression_ratio_threshold=_TOKEN_RATIO,
            logprob_threshold=_LOG_PROBABILITY,
            no_speech_threshold=_NO_SPEECH,
            logits_processor=[sure],
            monitor_progress=lambda _: job.check_stop(_STAGE),
        )
        job.check_stop(_STAGE)
        segments: Sequence[dict[str, Any]] = out["segments"][0]
        return segments

    def _language(self, features: torch.Tensor) -> str | None:
        """Return the code of the language that most of some windows are in; None if the model knows but one."""
        known = getattr(self.model.generation_config, "lang_to_id", None)
        if not known:
            return None
        codes: dict[int, str] = {number: token.strip("<|>") for token, number in known.items()}
        size = self.features.nb_max_frames
        starts = range(0, max(1, features.shape[-1] - size + 1), max(size, features.shape[-1] // _VOTERS))
        votes = Counter(
            codes[int(self.model.detect_language(input_features=features[..., start : start + size])[0])]
            for start in starts
        )
        return votes.most_common(1)[0][0]

    def _words(self, tokens: torch.Tensor) -> str:
        """Return the words of a segment, without the marks of its times."""
        first_time = self.model.generation_config.no_timestamps_token_id + 1
        said = [token for token in tokens.tolist() if token < first_time]
        return " ".join(self.tokenizer.decode(said, skip_special_tokens=True).split())


@dataclass(frozen=True)
class FasterWhisper:
    """Whisper of faster-whisper.

    Attributes:
        model: A ``WhisperModel``.
    """

    model: Any

    def hear(self, audio: Samples, *, seed: int, job: Job) -> Recognised:
        """Return the words in audio; see `Recogniser`. Its draws are its own: the seed changes nothing."""
        segments, info = self.model.transcribe(
            audio,
            vad_filter=False,  # made for speech, it drops singing
            condition_on_previous_text=False,
            temperature=list(_TEMPERATURES),
            compression_ratio_threshold=_LETTER_RATIO,
            log_prob_threshold=_LOG_PROBABILITY,
            no_speech_threshold=_NO_SPEECH,
        )
        lines, sure = [], []
        for segment in segments:
            if job.stop_requested():
                raise Stopped("job.stopped", stage=_STAGE)
            if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _LOG_PROBABILITY:
                continue
            lines.append(Line(float(segment.start), " ".join(segment.text.split())))
            sure.append(segment.avg_logprob)
        confidence = math.exp(sum(sure) / len(sure)) if sure else None
        return Recognised(tuple(line for line in lines if line.text), info.language, confidence)


def _opened_faster(folder: Path, device: str) -> FasterWhisper:
    """Return a recogniser of faster-whisper; on a processor it computes in 8 bits, four times as fast."""
    lack = lack_of_faster_whisper(folder)
    if lack is not None:
        raise lack
    from faster_whisper import WhisperModel

    where = compute.device(device)
    on_processor = where.type in ("cpu", "mps")
    try:
        kind = {"device": "cpu", "compute_type": "int8"} if on_processor else {"device": "auto", "compute_type": "auto"}
        return FasterWhisper(WhisperModel(str(folder), local_files_only=True, **kind))
    except load_errors() as cause:
        raise unloadable(folder, cause) from cause
