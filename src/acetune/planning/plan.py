"""What a training will take, before it starts: steps, epochs, memory, disk, minutes, warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from acetune import compute
from acetune.compute import Machine
from acetune.data import manifest as manifests
from acetune.data.lyric_windows import has_times
from acetune.data.split import Split, split
from acetune.data.track import Track
from acetune.data.wordings import VARIANTS, check_shares
from acetune.errors import DataError, SettingError
from acetune.events import Json
from acetune.planning.crops import ROUNDS, prior_frames
from acetune.planning.fitting import as_flags, fitting
from acetune.planning.guards import Advice, advise
from acetune.planning.memory import NetworkSize, training_flops
from acetune.planning.missing import refuse_missing
from acetune.planning.needs import largest, layout_of, memory_of
from acetune.planning.optimizers import refuse_impossible
from acetune.planning.previews import preview_seconds
from acetune.planning.quantising import offer, refuse_uncarried
from acetune.planning.sampling import CONDITIONS, STEP_SECONDS, sampling_seconds
from acetune.planning.sharding import offer_shards, refuse_undivided
from acetune.planning.steps import crop_length, micro_batches, refuse_idle, run_length, steps_per_epoch, window_length
from acetune.recipe import Recipe, changed, family_of
from acetune.sections import WHOLE

#: Time of loading a network, in seconds.
_START_SECONDS = 15.0
#: Condition tokens of a usual caption.
_CAPTION = 100


@dataclass(frozen=True)
class Plan:
    """What a run will take. Memory is for accelerators, of each of the `devices`.

    Minutes are an estimate from assumed rates.

    First `prior` clips of the base network are made; that takes `prior_minutes`, which are part of `minutes`. A
    device sees `micro_batches`, each as long as the longest takes, `micro_seconds`.
    """

    steps: int
    epochs: float
    steps_per_epoch: int
    warmup: int
    save_every: int
    validate_every: int
    tracks: int
    held_out: int
    mode: str
    minutes_of_music: float
    adapter_parameters: int
    memory_bytes: int
    disk_bytes: int
    minutes: float
    prior: int
    prior_minutes: float
    micro_batches: int
    micro_seconds: float
    devices: int
    warnings: tuple[Advice, ...]

    def to_json(self) -> dict[str, Json]:
        """Return the plan as JSON values."""
        return {**asdict(self), "warnings": [advice.to_json() for advice in self.warnings]}


def plan(recipe: Recipe, *, home: str | Path | None = None) -> Plan:
    """Plan a training on this machine.

    Args:
        recipe: What to train; ``data.dataset`` must be a scanned folder.
        home: Not read; every verb takes it.

    Raises:
        SettingError: If no data set is named, or what the recipe names is not there.
        DataError: If it was not scanned or has no usable track.
        WrongAdapter: If the adapter to start from is not there.
    """
    if not recipe.data.dataset:
        raise SettingError("plan.no_dataset")
    refuse_missing(recipe)
    manifest = manifests.load(recipe.data.folder)
    _, variant = family_of(recipe.model.variant)
    return plan_for(recipe, variant.size, manifest.tracks, compute.machine(recipe.compute.device))


def plan_for(recipe: Recipe, size: NetworkSize, tracks: Sequence[Track], machine: Machine) -> Plan:
    """Plan a training from facts alone.

    Args:
        recipe: What to train.
        size: Of the variant's network.
        tracks: Of the data set.
        machine: Where it runs.

    Raises:
        DataError: If no track is long enough to train on.
        SettingError: If the adapter's knobs do not go together, or shares of texts are more than 1 together.
    """
    check_shares(recipe.data)
    tracks = [track for track in tracks if not track.excluded]
    divided = split(tracks, recipe.data.holdout, recipe.data.seed)
    crops = training_crops(recipe, size, divided)
    if not crops:
        raise DataError("plan.no_crops", count=len(tracks))
    music = minutes_of_music(recipe, divided)
    length = run_length(recipe, steps_per_epoch(crops, recipe.data.batch_size, recipe.data.accumulation), music)
    refuse_impossible(recipe)
    refuse_uncarried(recipe)
    refuse_undivided(recipe)
    refuse_idle(recipe, recipe.compute.devices)
    weights = layout_of(recipe, size).parameters
    memory = memory_of(recipe, size, crops, machine)
    rate = compute.step_rate(machine.device)
    flops = _flops(recipe, size, crops)
    share = (
        micro_batches(crops, recipe.data.batch_size) / length.steps_per_epoch
    )  # songs may be too few for all of them
    share /= recipe.compute.devices
    seconds = length.steps * share * (flops / rate + STEP_SECONDS) + _START_SECONDS
    seconds += preview_seconds(recipe, size, length.steps, rate)
    prior = _prior_seconds(recipe, size, rate)
    units = _units(recipe, size, divided)
    return Plan(
        **asdict(length),
        tracks=len(divided.train),
        held_out=units,
        mode=divided.mode,
        minutes_of_music=music,
        adapter_parameters=weights,
        memory_bytes=memory,
        disk_bytes=_disk_bytes(recipe, size, tracks, weights),
        minutes=(seconds + prior) / 60,
        prior=recipe.data.prior,
        prior_minutes=prior / 60,
        micro_batches=round(length.steps * share),
        micro_seconds=flops / rate + STEP_SECONDS,
        devices=recipe.compute.devices,
        warnings=(
            *advise(recipe, tracks, length, units=units),
            *_of_the_memory(recipe, size, divided, machine, memory),
        ),
    )


def _of_the_memory(
    recipe: Recipe, size: NetworkSize, divided: Split, machine: Machine, memory: int
) -> Iterator[Advice]:
    """Yield whether the device's memory is too small, and what makes the training fit."""
    free = machine.free_bytes
    if machine.device == "cpu" or free is None or memory <= free:
        return

    def needed(smaller: Recipe) -> int:
        return memory_of(smaller, size, training_crops(smaller, size, divided), machine)

    changes = fitting(recipe, lambda smaller: needed(smaller) <= free)
    gigabytes = {"need": f"{memory / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
    if changes is None:
        yield Advice.of("plan.too_big", **gigabytes)
    else:
        then = f"{needed(changed(recipe, changes)) / 1e9:.1f}"
        yield Advice.of("plan.memory", **gigabytes, changes=as_flags(changes), then=then)
    shared = offer_shards(recipe, lambda other: needed(other) <= free)
    if shared:
        then = f"{needed(changed(recipe, shared)) / 1e9:.1f}"
        yield Advice.of("plan.shard", changes=as_flags(shared), devices=recipe.compute.devices, then=then)
    offered = offer(recipe, lambda other: needed(other) <= free, alone=changes is not None)
    if offered:
        then = f"{needed(changed(recipe, offered)) / 1e9:.1f}"
        yield Advice.of("plan.quantise", changes=as_flags(offered), then=then)


def _flops(recipe: Recipe, size: NetworkSize, crops: Sequence[int]) -> float:
    """Return the operations of the largest micro-batch."""
    return training_flops(
        size,
        largest(recipe, size, crops).tokens,
        CONDITIONS * recipe.data.batch_size,
        recompute=recipe.compute.recompute,
        whole=recipe.adapter.kind == WHOLE,
    )


def minutes_of_music(recipe: Recipe, divided: Split) -> float:
    """Return the minutes that one epoch could show, repeats counted."""
    return sum(min(track.seconds, recipe.data.max_seconds) * track.repeats for track in divided.train) / 60


def training_crops(recipe: Recipe, size: NetworkSize, divided: Split) -> tuple[int, ...]:
    """Return the crop length of every item of an epoch, in frames; songs that are too short have none."""
    wanted = round(recipe.data.crop_seconds * size.frames_per_second)
    found = []
    for track in divided.train:
        frames = song_frames(track, recipe, size)
        if divided.mode == "windows":
            frames -= window_length(frames, wanted, size.patch)
        length = crop_length(frames, wanted, size.patch)
        found += [length] * track.repeats if length else []
    return tuple(found)


def song_frames(track: Track, recipe: Recipe, size: NetworkSize) -> int:
    """Return the latent frames of a track, as far as its length is known before encoding."""
    return int(min(track.seconds, recipe.data.max_seconds) * size.frames_per_second)


def _units(recipe: Recipe, size: NetworkSize, divided: Split) -> int:
    """Return how many songs or windows are held out."""
    if divided.mode == "songs":
        return len(divided.validation)
    wanted = round(recipe.data.crop_seconds * size.frames_per_second)
    windows = [window_length(song_frames(t, recipe, size), wanted, size.patch) for t in divided.train]
    return sum(length > 0 for length in windows) if divided.mode == "windows" else 0


def _prior_seconds(recipe: Recipe, size: NetworkSize, rate: float) -> float:
    """Return how long it takes to make the clips of the base network."""
    steps = family_of(recipe.model.variant)[1].sampling.steps
    frames = prior_frames(recipe.data, size.frames_per_second, size.patch)
    return recipe.data.prior * sampling_seconds(recipe, size, frames, steps, rate)


def _disk_bytes(recipe: Recipe, size: NetworkSize, tracks: Sequence[Track], weights: int) -> int:
    """Return bytes on the disk: encoded songs, and checkpoints with both moments (and an average) in float32."""
    frames = sum(song_frames(t, recipe, size) for t in tracks)
    tokens = sum(_condition_tokens(track, recipe) for track in tracks)
    frames += recipe.data.prior * prior_frames(recipe.data, size.frames_per_second, size.patch)
    tokens += recipe.data.prior * CONDITIONS
    encoded = frames * size.channels * 2 * 4 + tokens * size.condition_width * 4
    return encoded + (recipe.guard.keep_last + 2) * weights * (16 if recipe.adapter.ema else 12) + 4 * weights * 2


def _condition_tokens(track: Track, recipe: Recipe) -> int:
    """Return about how many condition tokens are encoded for a track: texts, lyrics, and the lyrics of its crops."""
    varied = bool(track.tags) and (recipe.data.tag_shuffle or recipe.data.tag_dropout > 0)
    cut = recipe.data.cut_lyrics and has_times(track)
    return 2 * CONDITIONS + varied * VARIANTS * _CAPTION + cut * ROUNDS * CONDITIONS
