"""Every layout of a checkpoint opens as the same network, and every component loads strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from layout_writer import LAYOUTS, official_tensors, rewrite, values, variant, write_layout
from safetensors.torch import load_file, save_file

from acetune.events import Job
from acetune.families import tensors
from acetune.families.acestep_v15 import components, configs, names, vae_names
from acetune.families.acestep_v15.layouts import Weights, open_weights

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parents[1] / "golden" / "ace-step-1.5"


def forward(weights: Weights) -> torch.Tensor:
    """Return what every component but the code tokenizer makes of fixed input, in one row."""
    wanted = ("transformer", "condition_encoder", "vae", "text_encoder")
    network, encoder, vae, text = (weights.load(name, CPU, torch.float32) for name in wanted)
    ids = torch.tensor([weights.tokenizer()("soft piano, rain").input_ids])
    ones, order = torch.ones_like(ids), torch.zeros(1, dtype=torch.long)
    silence = weights.silence()
    frames = 45  # 23 patches: further than the window reaches
    with torch.inference_mode():
        states, embedded = text(input_ids=ids).last_hidden_state, text.get_input_embeddings()(ids)
        conditions, _ = encoder(states, ones, embedded, ones, silence[:, :60], order)
        latents = vae.encode(torch.sin(torch.arange(5 * 1920) / 40).expand(1, 2, -1)).latent_dist.mean
        noisy = torch.cat([latents.transpose(1, 2)] * (frames // 5), dim=1)
        velocity = network(
            hidden_states=noisy,
            timestep=torch.tensor([0.5]),
            timestep_r=torch.tensor([0.5]),
            encoder_hidden_states=conditions,
            context_latents=torch.cat([silence[:, :frames], torch.ones_like(noisy)], -1),
            return_dict=False,
        )[0]
    return torch.cat([velocity.flatten(), vae.decode(latents).sample.flatten()])


@pytest.fixture(scope="session")
def expected(made: Weights) -> torch.Tensor:
    return forward(made)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_loads_back_every_tensor(made: Weights, written, layout: str, models: Path) -> None:
    again = open_weights(made.variant, written(made.variant.name, layout), models, Job())

    assert again.layout == layout.removesuffix("-sharded")
    assert set(again.components) == set(made.components)
    for component in made.components:
        before, after = values(made, component), values(again, component)
        assert {n: t for n, t in after.items() if n != "silence_latent"}.keys() == before.keys() - {"silence_latent"}
        assert all(torch.equal(after[name], before[name]) for name in after)
        assert again.fingerprint(component) == made.fingerprint(component)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_computes_the_same(made: Weights, expected: torch.Tensor, written, layout: str, models: Path) -> None:
    again = open_weights(made.variant, written(made.variant.name, layout), models, Job())

    assert torch.equal(forward(again), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_has_the_same_silence_and_tokenizer(tiny: Weights, written, layout: str, models: Path) -> None:
    again = open_weights(tiny.variant, written("tiny", layout), models, Job())

    assert torch.equal(again.silence(), tiny.silence())
    assert again.silence().shape == (1, 15000, tiny.variant.size.channels)
    assert again.tokenizer()("[Verse] la la").input_ids == tiny.tokenizer()("[Verse] la la").input_ids


def test_silence_of_the_checkpoint_is_in_its_condition_encoder(tiny: Weights, written, models: Path) -> None:
    again = open_weights(tiny.variant, written("tiny", "comfyui-aio"), models, Job())

    encoder = again.load("condition_encoder", CPU, torch.float32)

    assert torch.equal(encoder.silence_latent, tiny.silence())


def test_silence_that_a_converter_forgot_is_encoded(tiny: Weights, models: Path, tmp_path: Path) -> None:
    path = write_layout(tiny, "diffusers", tmp_path)
    file = path / "condition_encoder" / "diffusion_pytorch_model.safetensors"
    rewrite(file, lambda known: known | {"silence_latent": torch.zeros_like(known["silence_latent"])})

    again = open_weights(tiny.variant, path, models, Job())

    assert torch.equal(again.silence(), tiny.silence())


def test_the_head_of_silence_is_what_a_silent_recording_gives(tiny: Weights) -> None:
    vae = tiny.load("vae", CPU, torch.float32)
    with torch.inference_mode():
        latents = vae.encode(torch.zeros(1, 2, 1920 * 100)).latent_dist.mean.transpose(1, 2)

    torch.testing.assert_close(tiny.silence()[:, :90], latents[:, :90], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["turbo", "base", "xl_turbo"])
def test_golden_checkpoints_load_strictly_through_the_official_names(name: str) -> None:
    config = json.loads((GOLDEN / f"{name}_config.json").read_text())
    parts: dict[str, dict[str, torch.Tensor]] = {component: {} for component in names.PREFIXES}
    for key, tensor in load_file(GOLDEN / f"{name}_weights.safetensors").items():
        place = names.component_of(key)
        assert place is not None
        parts[place[0]][place[1]] = tensor
    parts["condition_encoder"]["silence_latent"] = torch.zeros(1, 15000, config["timbre_hidden_dim"])

    for component, found in parts.items():
        module = components.build(
            component, configs.from_official(component, config), found, device=CPU, dtype=torch.float32
        )
        state = module.state_dict()
        assert all(torch.equal(state[key], found[key]) for key in state)


@pytest.mark.parametrize("name", ["turbo", "xl_turbo"])
@pytest.mark.parametrize("component", list(names.PREFIXES))
def test_sizes_read_off_the_tensors_agree_with_the_official_configuration(name: str, component: str) -> None:
    config = json.loads((GOLDEN / f"{name}_config.json").read_text())
    found = (names.component_of(key) for key in load_file(GOLDEN / f"{name}_weights.safetensors"))
    shapes = {
        place[1]: tuple(tensor.shape)
        for place, tensor in zip(found, load_file(GOLDEN / f"{name}_weights.safetensors").values(), strict=True)
        if place is not None and place[0] == component
    }

    inferred = configs.from_shapes(component, shapes, window=config["sliding_window"])

    stated = configs.from_official(component, config)
    assert {key: value for key, value in inferred.items() if key in stated} == {
        key: value for key, value in stated.items() if key in inferred
    }


@pytest.mark.parametrize("component", ["vae", "text_encoder"])
def test_sizes_of_the_shared_parts_are_read_off_their_tensors(tiny: Weights, component: str) -> None:
    source = tiny.sources[component]

    inferred = configs.from_shapes(component, source.shapes)

    assert {key: source.config[key] for key in inferred if key in source.config} == {
        key: value for key, value in inferred.items() if key in source.config
    }


def test_autoencoder_names_go_to_the_original_and_back(tiny: Weights) -> None:
    ours = set(tiny.sources["vae"].tensors)

    originals = {vae_names.to_original(name) for name in ours}

    assert {vae_names.to_diffusers(name) for name in originals} == ours
    assert "decoder.layers.2.layers.1.weight_v" in originals  # the tensor by which ComfyUI tells 48 kHz
    assert all(name.startswith(("encoder.layers.", "decoder.layers.")) for name in originals)


def test_bfloat16_weights_load_as_bfloat16_and_keep_exact_tables(tiny: Weights) -> None:
    encoder = tiny.load("text_encoder", CPU, torch.bfloat16)
    codes = tiny.load("audio_tokenizer", CPU, torch.bfloat16)

    assert encoder.embed_tokens.weight.dtype == torch.bfloat16
    assert encoder.rotary_emb.inv_freq.dtype == torch.float32
    assert codes.quantizer._levels.tolist() == [8, 8, 8, 5, 5, 5]


def test_loaded_components_are_frozen_and_in_evaluation_mode(tiny: Weights) -> None:
    modules = [tiny.load(component, CPU, torch.float32) for component in tiny.components]

    assert not any(parameter.requires_grad for module in modules for parameter in module.parameters())
    assert not any(module.training for module in modules)
    assert not any(tensor.is_meta for module in modules for tensor in (*module.parameters(), *module.buffers()))


def test_loading_leaves_the_generators_of_torch_alone(tiny: Weights) -> None:
    before = torch.random.get_rng_state()

    tiny.load("transformer", CPU, torch.float32)

    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_fingerprint_tells_a_trained_copy_but_not_its_float_format(tiny: Weights, tmp_path: Path) -> None:
    original = official_tensors(tiny)
    trained = {name: tensor * 1.0001 for name, tensor in original.items()}
    for name, content in {"a": original, "b": {n: t.bfloat16() for n, t in original.items()}, "c": trained}.items():
        save_file(content, tmp_path / name)

    prints = [tensors.fingerprint(tensors.read_header(tmp_path / name)) for name in "abc"]

    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


@pytest.mark.parametrize(
    ("name", "tensors_of_it", "parameters"), [("turbo", 476, 1_575_458_880), ("xl-base", 628, 4_168_897_088)]
)
def test_the_network_at_published_sizes_has_the_published_tensors(
    name: str, tensors_of_it: int, parameters: int
) -> None:
    size = variant(name).size
    official = {
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "encoder_hidden_size": size.condition_width,
    }

    state = components.shell("transformer", configs.from_official("transformer", official)).state_dict()

    assert len(state) == tensors_of_it
    assert sum(tensor.numel() for tensor in state.values()) == parameters


@pytest.mark.parametrize(
    ("component", "tensors_of_it", "parameters"),
    [
        ("condition_encoder", 142, 608_369_664),  # 140 of ``encoder.``, the null condition and the silence buffer
        ("audio_tokenizer", 32, 105_032_198),
        ("audio_token_detokenizer", 28, 105_011_776),
    ],
)
def test_the_encoders_at_published_sizes_have_the_published_tensors(
    component: str, tensors_of_it: int, parameters: int
) -> None:
    official = {"hidden_size": 2560, "encoder_hidden_size": 2048, "intermediate_size": 9728, "num_attention_heads": 32}
    official |= {"encoder_intermediate_size": 6144, "encoder_num_attention_heads": 16, "num_key_value_heads": 8}

    module = components.shell(component, configs.from_official(component, official))

    assert len(module.state_dict()) == tensors_of_it
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_the_autoencoder_at_published_size_has_the_names_by_which_comfyui_knows_it() -> None:
    config = {"downsampling_ratios": [2, 4, 4, 6, 10], "sampling_rate": 48_000}

    state = components.shell("vae", config).state_dict()

    renamed = {vae_names.to_original(name): tensor for name, tensor in state.items()}
    assert {vae_names.to_diffusers(name) for name in renamed} == set(state)
    assert renamed["decoder.layers.2.layers.1.weight_v"].shape[-1] == 12
    assert "decoder.layers.1.layers.0.beta" in renamed
    assert configs.from_shapes("vae", {name: tuple(t.shape) for name, t in state.items()})["channel_multiples"] == [
        1,
        2,
        4,
        8,
        16,
    ]
