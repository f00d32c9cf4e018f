"""The command that makes music."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from acetune.catalog import resolve
from acetune.cli.arguments import text_or_file
from acetune.cli.gathering import with_options
from acetune.cli.session import session_of
from acetune.errors import SettingError

if TYPE_CHECKING:
    from acetune import Request

_AUTO = "else what the variant wants"


@dataclass(frozen=True)
class Asked:
    """What a user asks for."""

    caption: Annotated[str, typer.Option(help="Style, instruments, mood; with the trigger.", show_default=False)] = ""
    simple: Annotated[
        str | None,
        typer.Option(
            metavar="SENTENCE",
            show_default=False,
            help="In place of a caption: tempo, key, metre, length, language are taken out of the sentence.",
        ),
    ] = None
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="File with a piece a row (.jsonl, .yaml, .csv, .txt); the other options say what a row leaves open.",
            show_default=False,
        ),
    ] = None
    lyrics: Annotated[
        str | None, typer.Option(help="Words to sing, or a text file with them.", show_default="instrumental")
    ] = None
    language: Annotated[str | None, typer.Option(help="Language code of the lyrics.", show_default=False)] = None
    bpm: Annotated[float | None, typer.Option(help="Tempo.", show_default=False)] = None
    keyscale: Annotated[str | None, typer.Option(help="Key, such as 'F# minor'.", show_default=False)] = None
    timesignature: Annotated[str | None, typer.Option(help="2, 3, 4 or 6.", show_default=False)] = None
    seconds: Annotated[
        float | None, typer.Option(help="Length.", min=1, max=600, show_default="30, or that of the source")
    ] = None
    task: Annotated[
        Literal["text2music", "cover", "repaint", "extract", "lego", "complete"],
        typer.Option(help="What to do with the source; extract, lego and complete need base or sft."),
    ] = "text2music"
    source: Annotated[Path | None, typer.Option(help="Audio that the task begins with.", show_default=False)] = None
    start: Annotated[
        float | None, typer.Option(help="Second of the source from which to repaint or to add.", show_default=False)
    ] = None
    end: Annotated[
        float | None,
        typer.Option(help="Second at which that ends; behind the end of the source, it goes on.", show_default=False),
    ] = None
    track: Annotated[
        list[str] | None,
        typer.Option(help="Part to extract, to add or to complete with, such as vocals.", show_default=False),
    ] = None
    cover_strength: Annotated[
        float, typer.Option(help="Share of the steps of a cover that the source leads, 0 to 1.")
    ] = 1.0
    thinking: Annotated[
        bool,
        typer.Option(
            "--thinking",
            help="Let a language model plan the music, as ComfyUI does (`acetune models get codes`).",
        ),
    ] = False
    model: Annotated[str, typer.Option(help="Variant (`acetune models ls`).")] = "tiny"
    model_path: Annotated[
        Path | None, typer.Option(help="Its weights, where they are not in a usual place.", show_default=False)
    ] = None
    adapter: Annotated[
        list[str] | None,
        typer.Option(help="Adapter file or folder, or FILE:0.8; again for more.", show_default=False),
    ] = None
    strength: Annotated[
        list[float] | None,
        typer.Option(help="Of all adapters, 0 is without; again for more pieces.", show_default="what each recommends"),
    ] = None
    seed: Annotated[list[int] | None, typer.Option(help="Seed; again for more pieces.", show_default="0")] = None
    steps: Annotated[int | None, typer.Option(help=f"Sampling steps; {_AUTO}.", min=1, show_default=False)] = None
    shift: Annotated[float | None, typer.Option(help=f"Shift of the times; {_AUTO}.", show_default=False)] = None
    guidance: Annotated[float | None, typer.Option(help=f"Guidance, 1 is none; {_AUTO}.", show_default=False)] = None
    solver: Annotated[str | None, typer.Option(help="euler, heun or pingpong (v1).", show_default="euler")] = None
    guide: Annotated[
        str | None,
        typer.Option(help="How guidance is reckoned: apg, cfg, cfg-zero or double (v1).", show_default="apg"),
    ] = None
    guidance_lyrics: Annotated[
        float | None, typer.Option(help="Guidance of the lyrics, for --guide double.", show_default="1")
    ] = None
    guidance_interval: Annotated[
        float | None, typer.Option(help="Share of the steps that are guided (v1).", show_default="0.5, the middle")
    ] = None
    against: Annotated[
        str | None,
        typer.Option(
            help="What guidance compares with: nothing, or weak for weakened queries (v1).", show_default="nothing"
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File (.wav, .flac, .mp3, .ogg) or folder.", show_default=False)
    ] = None
    format: Annotated[str, typer.Option(help="Of files in a folder: wav, flac, mp3 or ogg.")] = "flac"
    include_private: Annotated[
        bool, typer.Option("--include-private", help="Write caption and lyrics into the file's tags too.")
    ] = False
    device: Annotated[str, typer.Option(help="Device; auto is the best there is.")] = "auto"
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto"

    def requests(self) -> tuple[Request, ...]:
        """Return what is asked for, a request for each row where there is a file of prompts.

        Raises:
            SettingError: If nothing says what to make, or two things do; and as `read_requests`.
        """
        from acetune.generation.batch import read_requests
        from acetune.generation.sentence import understood

        named = [name for name in ("caption", "simple", "prompts") if getattr(self, name)]
        if len(named) > 1:
            raise SettingError("generation.said_twice", given=" and ".join(f"--{name}" for name in named))
        if not named and self.task in ("text2music", "cover"):
            raise SettingError("generation.say_what")
        if self.prompts is not None:
            return read_requests(self.prompts, self._request())
        return (self._request() if self.simple is None else understood(self.simple, self._request()),)

    def _request(self) -> Request:
        """Return what the options ask for."""
        from acetune import Request

        said: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        del said["simple"], said["prompts"]
        said["variant"], said["tracks"] = said.pop("model"), tuple(said.pop("track") or ())
        strengths, said["seeds"] = said.pop("strength"), tuple(said.pop("seed") or (0,))
        said["strengths"] = tuple(strengths) if strengths else None
        said["model_path"] = None if self.model_path is None else str(self.model_path)
        said["lyrics"] = None if self.lyrics is None else text_or_file(self.lyrics)
        return Request(**said)


@with_options(Asked)
def generate(context: typer.Context, options: Asked) -> None:
    """Make music from a caption, or from other music, with or without adapters.

    cover keeps the melody and makes the sound anew, repaint makes a window anew and leaves the rest as it is, extract
    takes a part out, lego adds one, complete plays along. Each file carries a mark that it was generated, and how.
    Several pieces load the model once. Ctrl+C writes the pieces that are finished.
    """
    session = session_of(context)
    paths = resolve("verb", "generate")(options.requests(), home=session.home, job=session.job)
    session.finish({"paths": paths}, *map(str, paths))
