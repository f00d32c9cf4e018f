"""What the process that leads has the others train, as it says it to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from acetune.adapters.adapter import Adapter, Facts
from acetune.data.manifest import Manifest
from acetune.data.rows import to_row, to_track
from acetune.data.settings import DatasetSettings
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet
from acetune.encoding.parts import TrackParts
from acetune.families.family import ModelFamily, Prompt
from acetune.recipe import Recipe, resolve
from acetune.training import starting
from acetune.training.checkpoint import State
from acetune.training.messages import Message, garbled
from acetune.training.session import Session
from acetune.training.team import Team


@dataclass(frozen=True)
class Order:
    """What to train: everything that the leader found out, so that nobody finds out another thing.

    Attributes:
        name: Of the run.
        recipe: Its knobs.
        models: Folder of the weights.
        encoded: The songs, in a cache that all processes see; others than the leader hear of those that are used only.
        found: The checkpoint to go on from.
        start: The adapter to begin with where there is no checkpoint.
    """

    name: str
    recipe: Recipe
    models: Path
    encoded: EncodedSet
    found: tuple[State, Path] | None
    start: Adapter | None

    def session(self, family: ModelFamily, team: Team) -> Session:
        """Return the training in memory, at its first step; a checkpoint is still to be restored."""
        with team.agreed():
            dtype = self.found[0].dtype if self.found else None
            session = Session.build(self.recipe, family, self.encoded, self.name, dtype, team)
            if self.start:
                starting.begin(session, self.start)
        return session

    def message(self) -> Message:
        """Return what the others are told."""
        songs = self.encoded
        words = _Words(
            train=self.name,
            recipe=self.recipe.model_dump(mode="json"),
            models=self.models,
            folder=songs.manifest.folder,
            settings=songs.manifest.settings,
            cache=songs.cache.root,
            constants=songs.constants,
            parts=[_Song.of(parts) for parts in songs.parts],
            prior=[_Song.of(parts) for parts in songs.prior],
            found=self.found,
            start=self.start.facts.to_json() if self.start else None,
        )
        return Message(words.model_dump(mode="json"), self.start.weights if self.start else {})

    @classmethod
    def read(cls, message: Message) -> Order:
        """Return the order of such a message.

        Raises:
            ResourceError: If it is none.
            SettingError: If this process knows other knobs or variants than the leader.
        """
        try:
            words = _Words.model_validate(message.words)
        except ValidationError as cause:
            raise garbled(cause.errors()[0]["msg"]) from cause
        recipe = resolve([("order", words.recipe)]).recipe
        start = Adapter(message.tensors, Facts.from_json(words.start)) if words.start else None
        return cls(words.train, recipe, words.models, words.encoded(), words.found, start)


class _Song(BaseModel):
    """The parts of a track; its names are those of `TrackParts`."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
    track: dict[str, JsonValue]
    prompts: dict[str, Prompt]
    latents: str
    texts: dict[str, str]
    lyrics: dict[str, str]
    context: str

    @classmethod
    def of(cls, parts: TrackParts) -> _Song:
        """Return what is said of a track."""
        return cls(**{**vars(parts), "track": to_row(parts.track)})

    def parts(self) -> TrackParts:
        """Return the track that this is said of."""
        return TrackParts(**{**dict(self), "track": to_track(self.track, "order")})


class _Words(BaseModel):
    """What is said of a training; names are those of `Order` and `EncodedSet`."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
    train: str
    recipe: dict[str, JsonValue]
    models: Path
    folder: Path
    settings: DatasetSettings
    cache: Path
    constants: str
    parts: list[_Song]
    prior: list[_Song]
    found: tuple[State, Path] | None
    start: str | None

    def encoded(self) -> EncodedSet:
        """Return the songs."""
        parts, prior = (tuple(song.parts() for song in songs) for songs in (self.parts, self.prior))
        manifest = Manifest(self.folder, tuple(p.track for p in parts), self.settings)
        return EncodedSet(manifest, parts, self.constants, Cache(self.cache), prior)
