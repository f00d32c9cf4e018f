"""ACE-Step v1's codec against numbers recorded from the official code."""

from __future__ import annotations

import functools
import json

import official_v1
import pytest
import torch
from diffusers import AutoencoderDC
from official_v1 import assert_close, filled
from torch.nn.utils import parametrizations

from acetune.families.acestep_v1 import spectrum
from acetune.families.acestep_v1.codec import DcaeCodec, flat, tall
from acetune.families.acestep_v1.vocoder import Vocoder, VocoderConfig, plain_weights

WANTED = official_v1.read("audio_golden")
SIZES = json.loads((official_v1.FOLDER / "tiny_audio_config.json").read_text())
PUBLISHED = [line.split("\t") for line in (official_v1.FOLDER / "v1-vocoder-dcae-keys.txt").read_text().splitlines()]


def config() -> VocoderConfig:
    sizes = SIZES["vocoder"]
    return VocoderConfig(
        depths=tuple(sizes["depths"]), widths=tuple(sizes["dims"]), channels=sizes["upsample_initial_channel"],
        dilated=tuple(sizes["resblock_kernel_sizes"]),
    )  # fmt: skip


def stored() -> dict[str, torch.Tensor]:
    """The recorded vocoder's weights as they are published: gains and directions."""
    found = {}
    for name, tensor in Vocoder(config()).state_dict().items():
        if name.startswith("head.") and name.endswith(".weight"):
            lengths = (tensor.shape[0], *[1] * (tensor.ndim - 1))
            found[f"{name}_g"] = official_v1.weight(f"{name}_g", lengths)
            found[f"{name}_v"] = official_v1.weight(f"{name}_v", tuple(tensor.shape))
        else:
            found[name] = official_v1.weight(name, tuple(tensor.shape))
    return found


@functools.cache
def vocoder() -> Vocoder:
    made = Vocoder(config())
    made.load_state_dict(plain_weights(stored()))
    return made.eval()


@functools.cache
def codec() -> DcaeCodec:
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in SIZES["dcae"].items()}
    with torch.no_grad():
        return DcaeCodec(filled(AutoencoderDC(**sizes)), vocoder(), torch.device("cpu"))


def test_the_mel_spectrum_is_the_recorded_one() -> None:
    bank = spectrum.filter_bank()

    assert_close(spectrum.log_mel(WANTED["mel.wav_in"]), WANTED["mel.out"])
    assert_close(bank[[4, 40, 400]], WANTED["mel.fb_rows_4_40_400"], atol=1e-8)
    assert_close(bank.sum(0), WANTED["mel.fb_sum_over_freq"])


@pytest.mark.parametrize(
    ("rate", "wanted"), [(48000, 44100), (48000, 24000), (48000, 16000), (44100, 48000), (22050, 48000)]
)
def test_resampling_gives_the_recorded_samples(rate: int, wanted: int) -> None:
    assert_close(spectrum.resampled(WANTED["resample.in_48k"], rate, wanted), WANTED[f"resample.{rate}_{wanted}"])


@torch.no_grad()
def test_the_vocoder_makes_the_recorded_samples() -> None:
    assert_close(vocoder().backbone(WANTED["vocoder.mel_in"]), WANTED["vocoder.backbone_out"])
    assert_close(vocoder()(WANTED["vocoder.mel_in"]), WANTED["vocoder.wav_out"])


def test_both_stored_forms_of_a_vocoder_are_read() -> None:
    layer = parametrizations.weight_norm(torch.nn.ConvTranspose1d(3, 2, 4))
    newer = {f"head.ups.0.{name}": tensor for name, tensor in layer.state_dict().items()}
    older = {
        "head.ups.0.bias": layer.bias,
        "head.ups.0.weight_g": layer.parametrizations.weight.original0,
        "head.ups.0.weight_v": layer.parametrizations.weight.original1,
    }

    for form in (newer, older):
        found = plain_weights(form)
        assert found.keys() == {"head.ups.0.weight", "head.ups.0.bias"}
        assert torch.equal(found["head.ups.0.weight"], layer.weight)


def test_the_full_codec_has_the_published_keys_and_shapes() -> None:
    with torch.device("meta"):
        made = Vocoder(VocoderConfig())
        stored = {
            key: torch.empty(json.loads(shape)) for kind, key, shape in filter(_is_row, PUBLISHED) if kind == "vocoder"
        }

    plain = plain_weights(stored)

    assert {name: t.shape for name, t in plain.items()} == {name: t.shape for name, t in made.state_dict().items()}


def _is_row(parts: list[str]) -> bool:
    return len(parts) == 3


@torch.no_grad()
@pytest.mark.parametrize(("rate", "wanted"), [(48_000, "dcae.latents"), (44_100, "dcae.latents_sr44100")])
def test_music_has_the_recorded_latents(rate: int, wanted: str) -> None:
    assert_close(codec().latents(WANTED["dcae.wav48_in"][0], rate), WANTED[wanted][0])


@torch.no_grad()
def test_latents_make_the_recorded_samples() -> None:
    latents = WANTED["dcae.decode_latent_in"][0]

    assert_close(codec().samples(latents), WANTED["dcae.decode_44k"])
    assert_close(torch.from_numpy(codec().decode(flat(latents))).T, WANTED["dcae.decode_48k"])


@torch.no_grad()
def test_the_vocoder_in_pieces_makes_what_it_makes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mel = 2 * official_v1.given("voiced", (2, 128, 200)) - 4
    whole = vocoder()(mel)[:, 0]
    monkeypatch.setattr("acetune.families.acestep_v1.codec._MEL_FRAMES", 70)

    assert_close(codec()._voiced(mel), whole, atol=1e-6)


def test_flat_latents_come_back() -> None:
    latents = official_v1.given("latents", (2, 8, 16, 5))

    assert flat(latents)[1, 3, 2 * 16 + 7] == latents[1, 2, 7, 3]
    assert torch.equal(tall(flat(latents)), latents)
