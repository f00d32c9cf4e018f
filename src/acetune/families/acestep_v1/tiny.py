"""The embedded variant: the real classes with small widths, made from a seed, without a download.

All weights are random. Their scale keeps the size of a signal: latents have a spread near 1, and decoded audio is
neither silent nor clipped.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acetune import files
from acetune.errors import NotWritable
from acetune.families.acestep_v1.places import FOLDERS, VOCABULARY
from acetune.families.acestep_v1.spelling import LANGUAGES
from acetune.families.variant import Variant

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from torch import Tensor, nn

    from acetune.families.acestep_v1.vocoder import VocoderConfig

#: Raised whenever the recipe below changes, so that folders made by an older one are made again.
VERSION = 1
_STAMP = "acetune.json"
_STEM = "diffusion_pytorch_model"

_AUTOENCODER = {
    "in_channels": 2,
    "latent_channels": 8,
    "attention_head_dim": 8,
    "encoder_block_types": ("ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"),
    "decoder_block_types": ("ResBlock", "ResBlock", "ResBlock", "EfficientViTBlock"),
    "encoder_block_out_channels": (8, 16, 16, 16),
    "decoder_block_out_channels": (8, 16, 16, 16),
    "encoder_layers_per_block": (1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1, 1),
    "encoder_qkv_multiscales": ((), (), (5,), (5,)),
    "decoder_qkv_multiscales": ((), (), (5,), (5,)),
    "upsample_block_type": "interpolate",
    "downsample_block_type": "Conv",
}
#: Of the vocoder: layers and widths of its stages, channels of the first step up, kernels of residual blocks.
_DEPTHS, _WIDTHS, _CHANNELS, _KERNELS = (1, 1, 1, 1), (8, 8, 8, 8), 128, (3,)
#: Tags that have a token of their own.
_TAGS = (
    "start", "intro", "verse", "chorus", "bridge", "outro", "end", "inst", "solo", "hook", "pre-chorus", "break",
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789!'(),-.:;?/"
#: Gains of the layers that decide how large latents and samples are.
_GAINS = {"encoder.conv_out.weight": 4.0, "decoder.conv_out.weight": 0.3, "head.conv_post.weight": 0.1}


def materialise(variant: Variant, models: Path) -> Path:
    """Return the folder of an embedded variant in the published layout, making it if it is not there yet.

    The same seed gives the same bytes. Several processes may call this at once.

    Raises:
        DiskFull: If there is no room for it.
        NotWritable: If the folder of models may not be written.
    """
    folder = models / variant.name
    if _is_current(folder, variant):
        return folder
    try:
        with files.draft_folder(folder) as draft:
            _save(variant, draft)
            files.write_json(draft / _STAMP, _stamp(variant))
            if not _is_current(folder, variant):  # an older recipe made it
                shutil.rmtree(folder, ignore_errors=True)
    except NotWritable:
        if not _is_current(folder, variant):  # else another process was faster
            raise
    return folder


def _stamp(variant: Variant) -> dict[str, object]:
    """Return what names the recipe of a folder."""
    recipe = files.hash_of(vars(variant.size), _AUTOENCODER, (_DEPTHS, _WIDTHS, _CHANNELS, _KERNELS), _LETTERS, _GAINS)
    return {"made_by": "acetune", "version": VERSION, "variant": variant.name, "recipe": recipe}


def _is_current(folder: Path, variant: Variant) -> bool:
    """Whether a folder is whole and made by this recipe; the stamp is written last and renamed with the rest."""
    stamp = folder / _STAMP
    return stamp.is_file() and files.read_json(stamp) == _stamp(variant)


def _save(variant: Variant, folder: Path) -> None:
    """Write the four folders of a checkpoint and the vocabulary of lyrics."""
    import torch
    from diffusers import AutoencoderDC

    from acetune.annotation.loading import quietly
    from acetune.families.acestep_v1.checkpoint import config_of
    from acetune.families.acestep_v1.network import AceStepV1Transformer
    from acetune.families.acestep_v1.vocoder import Vocoder, VocoderConfig

    sizes = VocoderConfig(depths=_DEPTHS, widths=_WIDTHS, channels=_CHANNELS, dilated=_KERNELS)
    with torch.random.fork_rng(devices=()):
        made: dict[str, Any] = {
            "network": AceStepV1Transformer(config_of(variant)),
            "vae": AutoencoderDC(**_AUTOENCODER),
            "vocoder": Vocoder(sizes),
            "text": _text_encoder(variant.size.condition_width),
        }
    for part, module in made.items():
        _fill(module, part)
    _write(made["network"], {"_class_name": "Transformer2DModel"}, folder / FOLDERS["network"])
    _write(made["vocoder"], _stated(sizes), folder / FOLDERS["vocoder"])
    with quietly():
        for part in ("vae", "text"):
            made[part].save_pretrained(folder / FOLDERS[part])
    _byte_tokenizer().save(str(folder / FOLDERS["text"] / "tokenizer.json"))
    _lyric_tokenizer().save(str(folder / VOCABULARY))


def _stated(sizes: VocoderConfig) -> dict[str, object]:
    """Return a vocoder's sizes as its configuration file has them."""
    return {
        "input_channels": sizes.bands, "depths": sizes.depths, "dims": sizes.widths, "upsample_rates": sizes.strides,
        "upsample_kernel_sizes": sizes.kernels, "upsample_initial_channel": sizes.channels,
        "resblock_kernel_sizes": sizes.dilated,
    }  # fmt: skip


def _write(module: nn.Module, config: dict[str, object], folder: Path) -> None:
    """Write a module as it is published."""
    from safetensors.torch import save_file

    from acetune.families.acestep_v1.names import is_narrow

    folder.mkdir()
    files.write_json(folder / "config.json", config)
    tensors = {n: t.unsqueeze(-1).contiguous() if is_narrow(n) else t for n, t in module.state_dict().items()}
    save_file(tensors, folder / f"{_STEM}.safetensors", metadata={"format": "pt"})


def _text_encoder(width: int) -> Any:
    """Return a small text encoder of this width."""
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(
        vocab_size=259, d_model=width, d_kv=width // 2, d_ff=2 * width, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1, tie_word_embeddings=False,
    )  # fmt: skip
    return UMT5EncoderModel(config)


def _fill(module: nn.Module, part: str) -> None:
    """Draw every weight of a module from its name."""
    import torch

    with torch.no_grad():
        for name, parameter in module.named_parameters():
            seed = int(files.hash_of("tiny-v1", part, name)[:12], 16)
            parameter.copy_(_weight(name, parameter.shape, torch.Generator().manual_seed(seed)))


def _weight(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Draw a weight that keeps the size of its signal."""
    import torch

    drawn = torch.randn(shape, generator=generator)
    if name.endswith((".bias", "gamma")):
        return 0.02 * drawn + (1.0 if name.endswith("gamma") else 0.0)
    if name.endswith(("scale_shift_table", "shared.weight", "lyric_embs.weight")):
        return 0.3 * drawn
    if len(shape) == 1:
        return 1 + 0.1 * drawn  # a norm
    # A step up spreads an input over as many samples as it has stride, half its kernel.
    fan_in = 2 * shape[0] if ".ups." in name else math.prod(shape[1:])
    scale: float = fan_in**-0.5 * _GAINS.get(name, 1.0)
    return scale * drawn


def _byte_tokenizer() -> Tokenizer:
    """Return a tokenizer with a token for each byte; it appends one end token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    symbols = ["<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(symbols)}, []))
    made.add_special_tokens(symbols[:3])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return made


def _lyric_tokenizer() -> Tokenizer:
    """Return a vocabulary of letters in the form of the published one."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    special = ["[STOP]", "[UNK]", "[SPACE]"]
    languages = [f"[{'zh-cn' if language == 'zh' else language}]" for language in LANGUAGES]
    symbols = [*special, *_LETTERS, "[START]", *languages, *(f"[{tag}]" for tag in _TAGS)]
    vocabulary = {symbol: i for i, symbol in enumerate(symbols)}
    made = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    made.add_special_tokens([symbol for symbol in symbols if len(symbol) > 1])
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made
