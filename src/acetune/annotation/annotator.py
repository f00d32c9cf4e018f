"""What every annotator is: it gets one song at a time and says what it found, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeAlias, TypeVar, cast

from acetune.audio import files as audio_files
from acetune.audio.signal import Samples
from acetune.data.track import Source, Track
from acetune.errors import AcetuneError
from acetune.events import Job, Json

#: Tempo, key and metre need nothing above 10 kHz.
ANALYSIS_RATE_HZ = 22_050

T = TypeVar("T")


@dataclass(frozen=True)
class Guess:
    """One value of a field.

    Attributes:
        value: In the field's own spelling.
        confidence: 0 to 1; None where the annotator cannot say.
        notice: Code of a message that the user should see beside the value, with the parameter `path`.
        origin: As `Mark.origin`.
    """

    value: Json
    confidence: float | None = None
    notice: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Song:
    """What an annotator gets to see of a track.

    Attributes:
        track: What is known already.
        path: The audio file.
    """

    track: Track
    path: Path
    _known: dict[object, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def audio(self, rate_hz: int) -> Samples:
        """Return the song as mono float32 (samples,), decoded once for each rate.

        Raises:
            DataError: If it cannot be read.
        """
        if rate_hz not in self._known:
            self._known[rate_hz] = audio_files.read_mono(self.path, rate_hz)
        return cast("Samples", self._known[rate_hz])

    def heard(self, analysis: Callable[[Samples], T], rate_hz: int = ANALYSIS_RATE_HZ) -> T:
        """Return what a function makes of the song's audio; annotators that need the same share its result."""
        key = (analysis, rate_hz)
        if key not in self._known:
            self._known[key] = analysis(self.audio(rate_hz))
        return cast("T", self._known[key])


@dataclass(frozen=True)
class Setup:
    """What annotators may use.

    Attributes:
        models: The workspace's folder of weights.
        cache: The workspace's folder of annotation. Computed vectors and downloaded lyrics in it are safe to delete;
            label lists, the template of the prompt and songs to compare with are the user's.
        device: "auto", "cpu" or what torch calls an accelerator.
        model_ids: Name of an annotator, or of a further model that it uses, to what the user chose in place of the
            default: a folder, a hub id, an address.
        endpoint: Address of an OpenAI-compatible server.
        endpoint_model: The model that this server shall use.
        api_key: The server's key; it is never shown or written.
        online: Whether the user asked for lyrics of LRCLIB.
        offline: Whether downloads of weights are forbidden.
    """

    models: Path
    cache: Path
    device: str = "auto"
    model_ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    endpoint: str | None = None
    endpoint_model: str | None = None
    api_key: str | None = field(default=None, repr=False)
    online: bool = False
    offline: bool = False


#: What an opened annotator does with one song; raises DataError for a song it cannot do.
Listen: TypeAlias = Callable[[Song], Mapping[str, Guess]]


class Annotator(Protocol):
    """Something that fills fields of a track; its class takes no arguments and makes nothing heavy.

    A class may also have: `needs`, fields without which it can say nothing; it reads them and needs no audio. `models`,
    names of further models that the user may choose for it. `on_request`, True if it works only where it is named.

    Attributes:
        name: Its name in the catalogue.
        fields: Fields of `DESCRIPTION` that it fills.
        source: Whom its values come from; it overrules nobody above.
        pooled: Whether it is cheap and has no model: such annotators share one look at a song, several songs at a time
            in processes of their own. The others see all songs one after the other in this process.
    """

    name: str
    fields: tuple[str, ...]
    source: Source
    pooled: bool

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return why it cannot be used here (a package, weights, an address), None if it can; cheap, without torch."""
        ...

    def opened(self, setup: Setup, job: Job) -> AbstractContextManager[Listen]:
        """Return a block with what listens; models are loaded at its start and freed at its end.

        The function returns guesses for those of `fields` that can be told; what cannot be told is left out.
        """
        ...
