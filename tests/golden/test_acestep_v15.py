"""Our code against numbers recorded from the official model code, and against diffusers' stock classes.

Tolerances are relative to the largest value of a tensor, as the recordings state them.
"""

from __future__ import annotations

import official
import pytest
import torch
from diffusers.models.transformers.ace_step_transformer import AceStepTransformer1DModel as Stock
from official import Golden, assert_close
from torch import Tensor, nn

from acetune.adapters import attach
from acetune.adapters.adapter import Facts
from acetune.families.acestep_v15 import names
from acetune.families.acestep_v15.conditions import AceStepConditioner, join
from acetune.families.objective import Objective
from acetune.flow import path, timesteps
from acetune.flow.guidance import Guidance
from acetune.flow.solvers import euler

PLAIN = Objective("turbo8", 3.0, 0.0, "none", 5.0)


def velocity(network: nn.Module, golden: Golden, x: Tensor, t: Tensor, conditions: Tensor | None = None) -> Tensor:
    conditions = golden.outputs["enc_hidden_states"] if conditions is None else conditions
    return network(x, t, t, conditions, golden.outputs["context_latents"])


@torch.no_grad()
def test_the_network_gives_the_recorded_velocity(golden: Golden) -> None:
    network = golden.component("transformer")

    assert_close(velocity(network, golden, golden.outputs["xt"], golden.inputs["t"]), golden.outputs["velocity"])


@torch.no_grad()
def test_the_second_time_is_embedded_too(golden: Golden) -> None:
    t, outputs = golden.inputs["t"], golden.outputs
    network = golden.component("transformer")

    found = network(outputs["xt"], t, t / 2, outputs["enc_hidden_states"], outputs["context_latents"])

    assert_close(found, outputs["velocity_r_half_t"])


@torch.no_grad()
def test_the_network_equals_the_installed_stock_forward(golden: Golden) -> None:
    network = golden.component("transformer")
    stock = Stock.from_config(dict(network.config))
    stock.load_state_dict(network.state_dict(), strict=True)
    outputs, t = golden.outputs, golden.inputs["t"]

    ours = velocity(network, golden, outputs["xt"], t)
    theirs = stock(outputs["xt"], t, t, outputs["enc_hidden_states"], outputs["context_latents"]).sample

    assert_close(ours, theirs)


def test_the_network_is_saved_under_the_stock_class_name(golden: Golden, tmp_path) -> None:
    golden.component("transformer").save_pretrained(tmp_path)

    assert Stock.from_pretrained(tmp_path).config["_class_name"] == "AceStepTransformer1DModel"


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 9, 17, 24])
def test_a_masked_batch_of_two_gives_each_crop_what_it_gets_alone(golden: Golden, length: int) -> None:
    network, outputs, t = golden.component("transformer"), golden.outputs, golden.inputs["t"]
    conditions, context = outputs["enc_hidden_states"], outputs["context_latents"]
    mask = torch.arange(25) < torch.tensor([[25], [length]])

    both = network(outputs["xt"], t, t, conditions, context, condition_mask=mask)
    alone = network(outputs["xt"][1:], t[1:], t[1:], conditions[1:, :length], context[1:])

    assert_close(both[1:], alone)


@torch.no_grad()
def test_conditions_are_lyrics_then_timbre_then_text(golden: Golden) -> None:
    encoder, inputs = golden.component("condition_encoder"), golden.inputs
    AceStepConditioner(None, None, encoder, timbre_cls=golden.name == "xl_turbo")

    timbre, _ = encoder.timbre_encoder(inputs["refer_audio"][:1], torch.zeros(1, dtype=torch.long))
    lyrics = encoder.lyric_encoder(
        inputs_embeds=inputs["lyric_hidden_states"][:1], attention_mask=inputs["lyric_attention_mask"][:1].bool()
    )
    text = encoder.text_projector(inputs["text_hidden_states"][:1])

    assert_close(timbre[0], golden.outputs["timbre_emb"][0])
    assert_close(lyrics, golden.outputs["lyric_enc"][:1])
    assert_close(join(lyrics[0], timbre[0], text[0]), golden.outputs["enc_hidden_states_b1"][0])


@torch.no_grad()
def test_dropping_padding_equals_the_official_packing(golden: Golden) -> None:
    encoder, inputs = golden.component("condition_encoder"), golden.inputs
    AceStepConditioner(None, None, encoder, timbre_cls=golden.name == "xl_turbo")
    lyric_length, text_length = 9, 7  # the second recorded row

    timbre, _ = encoder.timbre_encoder(inputs["refer_audio"][1:], torch.zeros(1, dtype=torch.long))
    embeddings = inputs["lyric_hidden_states"][1:, :lyric_length]
    lyrics = encoder.lyric_encoder(inputs_embeds=embeddings, attention_mask=torch.ones(1, lyric_length).bool())
    text = encoder.text_projector(inputs["text_hidden_states"][1:, :text_length])

    valid = golden.outputs["enc_mask"][1].bool()
    assert_close(join(lyrics[0], timbre[0], text[0]), golden.outputs["enc_hidden_states"][1][valid])


@torch.no_grad()
def test_the_tokenizer_gives_the_recorded_codes(golden: Golden) -> None:
    tokenizer, detokenizer = golden.component("audio_tokenizer"), golden.component("audio_token_detokenizer")

    quantized, indices = tokenizer.tokenize(golden.inputs["x0"], golden.inputs["silence_latent"])

    assert torch.equal(indices, golden.outputs["tok_indices"])
    assert_close(quantized, golden.outputs["tok_quantized"])
    assert_close(detokenizer(quantized), golden.outputs["detok"])


def test_the_path_gives_the_recorded_noisy_latents(golden: Golden) -> None:
    inputs, outputs = golden.inputs, golden.outputs

    assert_close(path.noisy(inputs["x0"], inputs["x1"], inputs["t"]), outputs["xt"])
    assert_close(path.velocity(inputs["x0"], inputs["x1"]), outputs["target_flow"])


def test_losses_are_the_recorded_ones(golden: Golden) -> None:
    outputs, t = golden.outputs, golden.inputs["t"]
    min_snr = Objective("turbo8", 3.0, 0.0, "min_snr", 5.0)

    plain = PLAIN.losses(outputs["velocity"], outputs["target_flow"], t)
    weighted = min_snr.losses(outputs["velocity"], outputs["target_flow"], t)

    assert_close(plain, outputs["loss_per_sample"])
    assert_close(plain.mean().view(1), outputs["loss"])
    assert_close(weighted.mean().view(1), outputs["loss_min_snr_gamma5"])


@torch.no_grad()
def test_a_crop_without_conditions_sees_the_null_condition(golden: Golden) -> None:
    network, outputs, t = golden.component("transformer"), golden.outputs, golden.inputs["t"]
    null = golden.weights["null_condition_emb"]
    dropped = torch.tensor([False, True])
    conditions = torch.where(dropped[:, None, None], null, outputs["enc_hidden_states"])

    found = velocity(network, golden, outputs["xt"], t, conditions)

    assert_close(found, outputs["velocity_cfgdrop_sample1"])
    assert_close(PLAIN.losses(found, outputs["target_flow"], t).mean().view(1), outputs["loss_cfgdrop_sample1"])


@torch.no_grad()
@pytest.mark.parametrize("name", ["turbo", "xl_turbo"])
def test_eight_euler_steps_give_the_recorded_music(name: str) -> None:
    golden = official.load(name)
    network = golden.component("transformer")

    found = euler(lambda x, t: velocity(network, golden, x, t), golden.inputs["x1"], timesteps.schedule(8, 3.0))

    assert_close(found, golden.outputs["gen_turbo8_shift3"])


@torch.no_grad()
def test_guided_sampling_gives_the_recorded_music() -> None:
    golden = official.load("base")
    network, guidance = golden.component("transformer"), Guidance(7.0)
    null = golden.weights["null_condition_emb"].expand_as(golden.outputs["enc_hidden_states"])

    def guided(x: Tensor, t: Tensor) -> Tensor:
        return guidance(velocity(network, golden, x, t), velocity(network, golden, x, t, null))

    found = euler(guided, golden.inputs["x1"], timesteps.schedule(4, 1.0))

    assert_close(found, golden.outputs["gen_base4_cfg7_shift1"])


def test_one_lora_step_gives_the_recorded_weights(turbo: Golden) -> None:
    def ours(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {names.to_diffusers(key.removeprefix("base_model.model.")): tensor for key, tensor in weights.items()}

    step, t, target = official.read("lora_step_outputs"), turbo.inputs["t"], turbo.outputs["target_flow"]
    network = turbo.component("transformer").requires_grad_(False)
    modules = names.targets("attention+mlp", layers=4)
    facts = Facts(kind="lora", rank=4, alpha=8.0, modules=modules, family="", variant="", fingerprint="")
    parameters = attach.attach(network, facts)
    attach.load_weights(network, ours(official.read("lora_init")))
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-3, weight_decay=0.01, fused=True)

    before = velocity(network, turbo, turbo.outputs["xt"], t)
    loss = PLAIN.losses(before, target, t).mean()
    loss.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in parameters.items()}
    norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
    optimizer.step()
    after = velocity(network, turbo, turbo.outputs["xt"], t)

    assert_close(before, step["velocity_with_lora"])
    assert_close(loss.view(1), step["loss"])
    assert_close(norm.view(1), step["grad_norm_before_clip"])
    largest = max(g.abs().max() for g in official.read("lora_grads").values())
    for name, wanted in ours(official.read("lora_grads")).items():
        assert (gradients[name] - wanted).abs().max() / largest <= 1e-5
    for name, wanted in ours(official.read("lora_after_step1")).items():
        assert_close(parameters[name].detach(), wanted)
    assert_close(after, step["velocity_after_step1"])
    assert_close(PLAIN.losses(after, target, t).mean().view(1), step["loss_after_step1"])
