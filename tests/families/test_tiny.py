"""The embedded variants: real classes, made from a seed, quick, and with signals of a sane size."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from layout_writer import variant

from acetune import files
from acetune.events import Job
from acetune.families.acestep_v15 import tiny as embedded
from acetune.families.acestep_v15.layouts import Weights, open_weights
from acetune.families.acestep_v15.variants import CARD

CPU = torch.device("cpu")
NAMES = [variant.name for variant in CARD.variants if variant.embedded]
QUICK = [name for name in NAMES if name != "tiny-comfy"]


def content(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): files.content_hash(file) for file in folder.rglob("*") if file.is_file()
    }


def music(seconds: int = 6) -> torch.Tensor:
    """Return chords that come and go, (1, 2, samples), with the loudness of ordinary music."""
    t = torch.arange(seconds * 48_000) / 48_000
    notes = [(110 * 2 ** (n / 12), 0.5 + 0.4 * k) for k, n in enumerate((0, 4, 7, 12, 16))]
    tones = [0.1 * torch.sin(6.2832 * pitch * t) * (torch.sin(6.2832 * rate * t) > 0) for pitch, rate in notes]
    return torch.stack([sum(tones), sum(tones).roll(60)]).unsqueeze(0)


@pytest.mark.parametrize("name", QUICK)
def test_an_embedded_variant_is_made_in_seconds(name: str, tiny: Weights, tmp_path: Path) -> None:
    started = time.process_time()

    embedded.materialise(variant(name), tmp_path)

    assert time.process_time() - started < 8  # processor seconds of two cores: 4 s


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = content(embedded.materialise(variant("tiny"), tmp_path / "a"))
    torch.manual_seed(2)

    second = content(embedded.materialise(variant("tiny"), tmp_path / "b"))

    assert first == second


def test_making_a_variant_leaves_the_generators_of_torch_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()

    embedded.materialise(variant("tiny"), tmp_path)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_variant_is_made_once(tiny: Weights, models: Path) -> None:
    stamp = (models / "tiny" / "acetune.json").stat().st_mtime_ns

    embedded.materialise(variant("tiny"), models)

    assert (models / "tiny" / "acetune.json").stat().st_mtime_ns == stamp


def test_a_folder_of_an_older_recipe_is_made_again(tiny: Weights, tmp_path: Path) -> None:
    shutil.copytree(tiny.found.network, tmp_path / "tiny")
    stamp = tmp_path / "tiny" / "acetune.json"
    stamp.write_text(stamp.read_text().replace(f'"version": {embedded.VERSION}', '"version": 0'))
    (tmp_path / "tiny" / "vae" / "diffusion_pytorch_model.safetensors").unlink()

    embedded.materialise(variant("tiny"), tmp_path)

    assert content(tmp_path / "tiny") == content(tiny.found.network)


def test_two_makers_at_once_leave_one_whole_folder(tiny: Weights, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: embedded.materialise(variant("tiny"), tmp_path), range(2)))

    assert folders == [tmp_path / "tiny"] * 2
    assert content(tmp_path / "tiny") == content(tiny.found.network)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_variants_share_the_autoencoder_and_the_text_encoder_but_not_the_network(tiny: Weights, models: Path) -> None:
    other = open_weights(variant("tiny-base"), None, models, Job())

    shared = {name for name in tiny.components if tiny.fingerprint(name) == other.fingerprint(name)}

    assert shared == {"vae", "text_encoder"}


def test_latents_of_music_have_a_spread_near_one(tiny: Weights) -> None:
    vae = tiny.load("vae", CPU, torch.float32)

    with torch.inference_mode():
        posterior = vae.encode(music()).latent_dist

    assert posterior.mean.shape == (1, tiny.variant.size.channels, 150)
    assert 0.5 < posterior.mean.std() < 2
    assert 0.3 < posterior.mean.std(-1).mean() < 2  # it follows the music, it is no constant
    assert posterior.std.mean() < 0.3


def test_decoded_audio_is_audible_and_not_clipped(tiny: Weights) -> None:
    vae = tiny.load("vae", CPU, torch.float32)
    latents = torch.randn(1, tiny.variant.size.channels, 50, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        audio = vae.decode(latents).sample

    assert audio.shape == (1, 2, 50 * 1920)
    assert 0.02 < audio.std() < 0.3
    assert (audio.abs() > 1).float().mean() < 0.01


@pytest.mark.parametrize("name", QUICK)
def test_velocities_have_an_ordinary_size(name: str, models: Path) -> None:
    weights = open_weights(variant(name), None, models, Job())
    network = weights.load("transformer", CPU, torch.float32)
    generator = torch.Generator().manual_seed(0)
    size = weights.variant.size
    x = torch.randn(1, 100, size.channels, generator=generator)

    with torch.inference_mode():
        velocity = network(
            hidden_states=x,
            timestep=torch.tensor([0.7]),
            timestep_r=torch.tensor([0.7]),
            encoder_hidden_states=torch.randn(1, 20, size.condition_width, generator=generator),
            context_latents=torch.cat([weights.silence()[:, :100], torch.ones_like(x)], -1),
            return_dict=False,
        )[0]

    assert 0.2 < velocity.std() < 2


def test_the_diffusers_pipeline_loads_an_embedded_variant(tiny: Weights) -> None:
    from diffusers import AceStepPipeline

    pipeline = AceStepPipeline.from_pretrained(tiny.found.network)

    assert pipeline.is_turbo
    assert torch.equal(pipeline.condition_encoder.silence_latent, tiny.silence())


def test_the_tokenizer_knows_every_byte_and_appends_one_end(tiny: Weights) -> None:
    tokenizer = tiny.tokenizer()
    text = "[Verse]\nhéllo 你好 こんにちは\x07 🎵\n"

    ids = tokenizer(text).input_ids

    assert len(tokenizer) == 512
    assert ids[-1] == tokenizer.pad_token_id
    assert ids.count(tokenizer.pad_token_id) == 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_tokenizer_parses_the_end_inside_a_prompt(tiny: Weights) -> None:
    tokenizer = tiny.tokenizer()

    ids = tokenizer("- bpm: 120\n<|endoftext|>\n").input_ids

    assert ids.count(tokenizer.pad_token_id) == 2


def test_the_committed_tokenizer_is_what_its_script_trains(tmp_path: Path) -> None:
    import runpy

    script = Path(__file__).parents[2] / "examples" / "train_tiny_tokenizer.py"
    train = runpy.run_path(str(script))["train"]
    train().save(str(tmp_path / "tokenizer.json"))

    assert (tmp_path / "tokenizer.json").read_bytes() == embedded.tokenizer_file().read_bytes()


def test_the_comfyui_variant_keeps_what_comfyui_fixes(models: Path) -> None:
    made = embedded.configs(variant("tiny-comfy"))

    fixed = {"head_dim": 128, "num_key_value_heads": 8, "sliding_window": 128}
    assert fixed.items() <= made["transformer"].items()
    assert fixed.items() <= made["condition_encoder"].items()
    assert made["transformer"]["in_channels"] == 192
    assert made["condition_encoder"]["text_hidden_dim"] == 1024
    assert made["condition_encoder"]["num_lyric_encoder_hidden_layers"] == 8
    assert made["condition_encoder"]["num_timbre_encoder_hidden_layers"] == 4
    assert "audio_tokenizer" not in made


@pytest.mark.slow
def test_the_comfyui_variant_loads_whole(models: Path) -> None:
    weights = open_weights(variant("tiny-comfy"), None, models, Job())

    modules = {name: weights.load(name, CPU, torch.float32) for name in weights.components}

    assert set(modules) == {"vae", "text_encoder", "transformer", "condition_encoder"}
    assert weights.silence().shape == (1, 15000, 64)
