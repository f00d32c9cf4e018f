"""ACE-Step 1.5's own language model plans a piece in audio codes, as the official app and ComfyUI let it by default.

It reads caption and lyrics, and behind them what is known of the piece as the thoughts that it would have had itself;
then it writes five codes for each second, and nothing else. Prompt and defaults are those of the official app
(`acestep/llm_inference.py`, `acestep/constants.py`, `acestep/inference.py`). The app lets the model think of what is
not known first; here it stays unknown.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from acetune.annotation.loading import load_errors, loaded, quietly, unloadable
from acetune.annotation.speaking import Manner, speak
from acetune.events import Job
from acetune.families.acestep_v15.prompts import INSTRUMENTAL

if TYPE_CHECKING:
    import torch

    from acetune.families.family import Prompt

#: How a code is written.
CODE: Final = "<|audio_code_{}|>"
#: Codes in a second of music.
PER_SECOND: Final = 5
_WRITTEN = re.compile(r"<\|audio_code_(\d+)\|>")
_STAGE: Final = "plan"
_SYSTEM: Final = "# Instruction\nGenerate audio semantic tokens based on the given conditions:\n\n"
_TURN: Final = "<|im_start|>{role}\n{content}<|im_end|>\n"
_TEMPERATURE, _TOP_P, _GUIDANCE = 0.85, 0.9, 2.0


def compose(prompt: Prompt, folder: Path, seed: int, device: torch.device, job: Job) -> tuple[int, ...]:
    """Return the codes that the language model of a folder writes for a prompt, five for each second begun.

    Raises:
        DataError: If the folder holds another kind of model, or one that knows no audio codes.
        OutOfMemory: If it has no room on the device.
        Stopped: If asked to.
    """
    from transformers import AutoModelForCausalLM

    reader = read_tokenizer(folder)
    marks = ((_WRITTEN.fullmatch(word), place) for word, place in reader.get_vocab().items())
    numbers = {place: int(mark[1]) for mark, place in marks if mark}
    manner = Manner(tokens=math.ceil(prompt.seconds * PER_SECOND), temperature=_TEMPERATURE, top_p=_TOP_P)
    with loaded(AutoModelForCausalLM, folder, str(device)) as model:
        others = [place for place in range(model.config.vocab_size) if place not in numbers]
        inputs = {**_inputs(reader, prompt, model.device), "guidance_scale": _GUIDANCE, "suppress_tokens": others}
        spoken = speak(model, inputs, manner, seed=seed, job=job, stage=_STAGE)
    return tuple(numbers[place] for place in spoken.ids)


def written(reader: Any, prompt: Prompt, thoughts: str) -> str:
    """Return a request with thoughts already thought, as the model was trained to read it."""
    asked = f"# Caption\n{prompt.caption}\n\n# Lyric\n{prompt.lyrics or INSTRUMENTAL}\n"
    turns = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": asked},
        {"role": "assistant", "content": f"<think>\n{thoughts}\n</think>"},
    ]
    if reader.chat_template is None:
        return "".join(_TURN.format(**turn) for turn in turns)
    text: str = reader.apply_chat_template(turns, add_generation_prompt=False, tokenize=False)
    return text if text.endswith("\n") else text + "\n"


def thoughts_of(prompt: Prompt) -> str:
    """Return what is known of a piece as the model writes it: YAML in the order of its keys."""
    known = {
        "bpm": None if prompt.bpm is None else round(prompt.bpm),
        "duration": round(prompt.seconds),
        "keyscale": prompt.keyscale,
        "language": prompt.language,
        "timesignature": None if prompt.timesignature is None else int(prompt.timesignature),
    }
    found = {name: value for name, value in known.items() if value is not None}
    return yaml.dump(found, allow_unicode=True, sort_keys=True).strip()


def read_tokenizer(folder: Path) -> Any:
    """Return the language model's tokenizer.

    Raises:
        DataError: If it knows no audio codes.
    """
    from transformers import AutoTokenizer

    try:
        with quietly():
            reader = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except load_errors() as cause:
        raise unloadable(folder, cause) from cause
    ids = reader(CODE.format(0), add_special_tokens=False).input_ids
    if len(ids) != 1 or ids[0] == reader.unk_token_id:
        raise unloadable(folder, "its tokenizer knows no audio codes")
    return reader


def _inputs(reader: Any, prompt: Prompt, device: torch.device) -> dict[str, torch.Tensor]:
    """Return a prompt's tokens, and those of the same without thoughts, from which guidance leads away."""
    import torch

    ids, bare = (
        reader(written(reader, prompt, thoughts), return_tensors="pt", add_special_tokens=False).input_ids.to(device)
        for thoughts in (thoughts_of(prompt), "")
    )
    return {
        "input_ids": ids, "attention_mask": torch.ones_like(ids),
        "negative_prompt_ids": bare, "negative_prompt_attention_mask": torch.ones_like(bare),
    }  # fmt: skip
