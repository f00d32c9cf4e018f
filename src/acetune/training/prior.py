"""Clips that the base network makes itself, mixed in so that an adapter changes what it is called for and little else.

Prior preservation (DreamBooth, arXiv:2208.12242). The clips are latents as the sampler leaves them: what the network
is shown is exactly what it said. They are asked for with the captions of the songs without the trigger; where there
is no trigger, so that these would be the very prompts that shall change, with general ones. A clip is made once and
lies in the cache.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch

from acetune import compute, files
from acetune.data.captions import trigger_of
from acetune.data.lyric_windows import lyrics_between
from acetune.data.split import split
from acetune.data.track import Track
from acetune.data.wordings import MAIN
from acetune.encoding import uses
from acetune.encoding.encode import EncodedSet
from acetune.encoding.parts import TrackParts, lyrics_name_of, text_name_of
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.families.family import Example, ModelFamily, Prompt
from acetune.flow import randomness
from acetune.generation.sample import sample
from acetune.planning.crops import prior_frames
from acetune.recipe import Recipe

#: Prompts of no song, over styles, moods and voices.
GENERAL: Final = (
    "pop, catchy, bright synths, female vocal",
    "rock, electric guitars, driving drums, male vocal",
    "hip hop, deep bass, laid-back groove, rap",
    "jazz, upright bass, brushed drums, piano",
    "classical, string orchestra, slow, solemn",
    "electronic, four on the floor, arpeggios, energetic",
    "folk, acoustic guitar, intimate, male vocal",
    "r&b, smooth, electric piano, female vocal",
    "ambient, soft pads, slow, dreamy",
    "metal, distorted guitars, fast drums, aggressive",
    "country, slide guitar, warm, storytelling",
    "reggae, offbeat guitar, relaxed, bass",
    "funk, slap bass, horns, tight drums",
    "latin, percussion, trumpet, festive",
    "film score, brass, strings, epic",
    "lo-fi, dusty drums, mellow keys, nostalgic",
)


def with_prior(encoded: EncodedSet, recipe: Recipe, family: ModelFamily, job: Job) -> EncodedSet:
    """Return a data set with its prior clips; those that are not in the cache are made now.

    Raises:
        Stopped: If asked to; finished clips stay.
        OutOfMemory: If the network does not fit.
    """
    if not recipe.data.prior:
        return encoded
    clips = _clips(encoded, recipe, family)
    uses.record(encoded.cache, clips)
    _encode(clips, encoded, recipe, family)
    _generate(clips, encoded, recipe, family, job)
    return replace(encoded, prior=clips)


def prior_caption(track: Track, trigger: str | None, number: int) -> tuple[str, bool]:
    """Return what a clip is asked for with, and whether it is the track's own caption without the trigger."""
    text = track.caption or ", ".join(track.tags or ()) or track.genre or ""
    trigger = trigger_of(track, trigger)
    if trigger:
        bare = re.sub(rf"(?<!\w){re.escape(trigger)}(?!\w)", " ", text, flags=re.IGNORECASE)
        bare = ", ".join(part for part in (" ".join(piece.split()) for piece in bare.split(",")) if part)
        if bare:
            return bare, True
    return GENERAL[number % len(GENERAL)], False


def _clips(encoded: EncodedSet, recipe: Recipe, family: ModelFamily) -> tuple[TrackParts, ...]:
    """Return the parts of every clip; they take turns among the songs that are trained on."""
    train = split([p.track for p in encoded.parts], recipe.data.holdout, recipe.data.seed).train
    device = compute.device(recipe.compute.device)
    encoders = (family.conditions_fingerprint, str(compute.dtype("auto", device)))
    network = (family.fingerprint, str(compute.dtype(recipe.compute.dtype, device)))
    frames = prior_frames(recipe.data, family.frames_per_second, family.crop_multiple)
    seconds = frames / family.frames_per_second
    found = []
    for number in range(recipe.data.prior):
        track = train[number % len(train)]
        caption, own = prior_caption(track, encoded.manifest.settings.trigger, number)
        prompt = replace(Prompt.of(track, caption, seconds), lyrics=lyrics_between(track, 0.0, seconds))
        if not own:
            prompt = replace(prompt, bpm=None, keyscale=None, timesignature=None)
        made_of = (network, encoders[0], vars(family.variant.sampling), vars(prompt), frames, number)
        texts = {MAIN: text_name_of(track, prompt, encoders)}
        lyrics = {prompt.lyrics or "": lyrics_name_of(track, prompt, encoders)}
        found.append(TrackParts(track, {MAIN: prompt}, files.hash_of("prior", made_of), texts, lyrics))
    return tuple(found)


def _encode(clips: Sequence[TrackParts], encoded: EncodedSet, recipe: Recipe, family: ModelFamily) -> None:
    """Encode the prompts that are not in the cache."""
    cache, device = encoded.cache, compute.device(recipe.compute.device)
    wanted = {("text", p.texts[MAIN]): p for p in clips} | {("lyrics", next(iter(p.lyrics.values()))): p for p in clips}
    missing = {place: p.prompts[MAIN] for place, p in wanted.items() if not cache.has(*place)}
    if not missing:
        return
    conditioner = family.load_conditioner(device)
    for (kind, name), prompt in missing.items():
        cache.write(kind, name, conditioner.text(prompt) if kind == "text" else conditioner.lyrics(prompt))
    del conditioner
    compute.release(device)


def _generate(clips: Sequence[TrackParts], encoded: EncodedSet, recipe: Recipe, family: ModelFamily, job: Job) -> None:
    """Make the clips that are not in the cache."""
    cache, device, size = encoded.cache, compute.device(recipe.compute.device), family.variant.size
    missing = [(number, p) for number, p in enumerate(clips) if not cache.has("latents", p.latents)]
    if not missing:
        return
    job.report(StageStarted(stage="prior", total=len(missing), unit="clips"))
    frames = prior_frames(recipe.data, family.frames_per_second, family.crop_multiple)
    constants = cache.read("constants", encoded.constants)
    network = family.load_network(device, compute.dtype(recipe.compute.dtype, device))
    for done, (number, p) in enumerate(missing, start=1):
        text, lyrics = cache.read("text", p.texts[MAIN]), cache.read("lyrics", next(iter(p.lyrics.values())))
        example = Example(randomness.normal((frames, size.channels), 0, "prior", number), text, lyrics)
        sampling = family.variant.sampling
        latents = sample(family, network, example, constants, sampling, lambda: job.check_stop("prior"))[0].cpu()
        cache.write("latents", p.latents, {"mean": latents, "std": torch.zeros_like(latents)})
        job.report(Progress(stage="prior", done=done, total=len(missing)))
        job.check_stop("prior")
    del network
    compute.release(device)
    job.report(StageEnded(stage="prior", result={"clips": len(missing)}))
