"""Small CLAP models on disk: a random one, and one that was made to know which sounds are which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, PreTrainedTokenizerFast

from acetune.annotation.loading import quietly

WIDTH = 32


def small_clap(folder: Path, words: Sequence[str] = (), seed: int = 0, **audio: object) -> ClapModel:
    """Write a random model with its processor, and return it; words that it does not know are all one to it."""
    torch.manual_seed(seed)
    model = ClapModel(
        ClapConfig(
            text_config={
                "vocab_size": 1000,
                "hidden_size": WIDTH,
                "intermediate_size": WIDTH,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "projection_dim": WIDTH,
            },
            audio_config={
                "depths": [1, 1],
                "num_attention_heads": [2, 2],
                "hidden_size": WIDTH,
                "patch_embeds_hidden_size": 16,
                "spec_size": 256,
                "num_mel_bins": 64,
                "projection_dim": WIDTH,
                **audio,
            },
            projection_dim=WIDTH,
        )
    ).eval()
    write_clap(folder, model, words)
    return model


def write_clap(folder: Path, model: ClapModel, words: Sequence[str] = ()) -> None:
    """Write a model with its processor."""
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    for word in words:
        vocabulary.setdefault(word, len(vocabulary))
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    reader = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    fused = model.config.audio_config.enable_fusion
    extractor = ClapFeatureExtractor(truncation="fusion" if fused else "rand_trunc")
    with quietly():
        model.save_pretrained(folder)
    ClapProcessor(extractor, reader).save_pretrained(folder)


def knowing_clap(folder: Path, sounds: Mapping[str, np.ndarray], sentences: Sequence[str]) -> None:
    """Write a model that puts each sound and the sentences that hold its word at one place, all others elsewhere.

    The last layers of both towers are solved for these places; everything before them is random.

    Args:
        folder: Where to write it.
        sounds: A word to 10 s of mono audio at 48 kHz.
        sentences: All that will be read; at most `WIDTH`.
    """
    words = [word for sentence in sentences for word in sentence.replace(",", " ").split()]
    model = small_clap(folder, words)
    processor = ClapProcessor.from_pretrained(folder)
    places = dict(zip(sounds, np.eye(WIDTH, dtype=np.float32), strict=False))
    nowhere = np.eye(WIDTH, dtype=np.float32)[-1]
    meant = [next((places[word] for word in sounds if word in sentence.split()), nowhere) for sentence in sentences]
    features = processor.feature_extractor(list(sounds.values()), sampling_rate=48_000, return_tensors="pt")
    tokens = processor.tokenizer(list(sentences), padding=True, return_tensors="pt")
    with torch.no_grad():
        heard = model.audio_model(input_features=features["input_features"]).pooler_output
        read = model.text_model(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        _solve(model.audio_projection, heard, np.array(list(places.values())))
        _solve(model.text_projection, read, np.array(meant))
    write_clap(folder, model, words)


def _solve(projection: torch.nn.Module, inputs: torch.Tensor, wanted: np.ndarray) -> None:
    """Set a projection so that inputs (n, width) come out where they are wanted (n, places)."""
    generator = torch.Generator().manual_seed(1)
    spread = torch.randn(projection.linear1.weight.shape, generator=generator)
    centred = inputs - inputs.mean(dim=0)
    scale = 1 / (centred @ spread.T).std()
    projection.linear1.weight.copy_(spread * scale)
    projection.linear1.bias.copy_(-inputs.mean(dim=0) @ spread.T * scale)
    hidden = torch.relu(projection.linear1(inputs))
    rows = torch.cat([hidden, torch.ones(len(hidden), 1)], dim=1).double()
    solved = torch.linalg.lstsq(rows, torch.from_numpy(wanted).double(), driver="gelsd").solution
    projection.linear2.weight.copy_(solved[:-1].T)
    projection.linear2.bias.copy_(solved[-1])
