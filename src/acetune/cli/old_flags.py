"""What the flags of ACE-Step v1's scripts are in acetune: a table for each script, which docs/guide.md shows too.

Scripts: `trainer.py` and the converter of the official repository, and those of its low-memory fork.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

#: A flag of ours that is not said, because acetune does by itself what the old one asked for.
NOT_NEEDED: Final = ""
#: Nothing of ours does what the old flag did.
NOTHING: Final = None
#: Values that acetune has built in, of flags that it has nothing like.
BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"shift": ("3", "3.0"), "gradient_clip_algorithm": ("norm",), "num_nodes": ("1",), "val_check_interval": ("None",)}
)
#: Values that are called something else here, by our flag.
VALUES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "--compute.dtype": {
            "32": "float32", "32-true": "float32", "bf16": "bfloat16", "bf16-mixed": "bfloat16",
            "bf16-true": "bfloat16", "16": "float16", "16-mixed": "float16", "16-true": "float16",
        }
    }
)  # fmt: skip


@dataclass(frozen=True)
class Script:
    """A script of others.

    Attributes:
        command: Ours that does its work.
        flags: Its flags, without dashes, in the order in which ours are written: ours, `NOT_NEEDED` or `NOTHING`. Ours
            begins with a dash, or with a letter where its value is an argument.
        usual: Values that its flags have when nobody says them, as far as they change what comes out.
        always: Flags of ours that it means in any case.
        trains: Whether it is told of an adapter by a ``lora_config_path``, as a training is.
    """

    command: str
    flags: Mapping[str, str | None]
    usual: Mapping[str, str] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    trains: bool = False


_TRAINING: Final = {
    "dataset_path": "DATASET",
    "checkpoint_dir": "--model-path",
    "exp_name": "--name",
    "learning_rate": "--lr",
    "max_steps": "--steps",
    "epochs": "--epochs",
    "accumulate_grad_batches": "--accumulation",
    "gradient_clip_val": "--optim.clip",
    "precision": "--compute.dtype",
    "num_workers": NOT_NEEDED,
    "shift": NOTHING,
    "gradient_clip_algorithm": NOTHING,
    "val_check_interval": NOTHING,
}
_V1: Final = ("--model", "v1", "--schedule.name", "linear", "--schedule.final", "0")
_NEW: Final = {
    **_TRAINING,
    "batch_size": "--batch-size",
    "optimizer": "--optim.name",
    "warmup_steps": "--schedule.warmup",
    "beta1": "--optim.beta1",
    "beta2": "--optim.beta2",
    "last_lora_path": "--start-from",
    "save_every_n_train_steps": "--save-every",
    "every_n_train_steps": "--save-every",
    "save_last": "--guard.keep_last",
    "every_plot_step": "--preview.every",
    "tag_dropout": "--data.tag_dropout",
    "speaker_dropout": NOTHING,
    "lyrics_dropout": NOTHING,
    "ssl_coeff": NOTHING,
}
_OFFICIAL: Final = {
    **_TRAINING,
    "devices": "--devices",
    "every_n_train_steps": "--save-every",
    "every_plot_step": "--preview.every",
    "num_nodes": NOTHING,
    "logger_dir": NOT_NEEDED,
    "reload_dataloaders_every_n_epochs": NOT_NEEDED,
    "ckpt_path": NOTHING,
}
_CONVERTING: Final = {"data_dir": "FOLDER", "repeat_count": NOT_NEEDED, "output_name": NOT_NEEDED}
_SCALING: Final = {"input_name": "ADAPTER", "output_name": "--out"}

SCRIPTS: Final[Mapping[str, Script]] = MappingProxyType(
    {
        "trainer.py": Script(
            "train", _OFFICIAL, {"learning_rate": "1e-4", "gradient_clip_val": "0.5",
            "lora_config_path": "config/zh_rap_lora_config.json"},
            (*_V1, "--schedule.warmup", "10", "--optim.beta1", "0.8", "--optim.beta2", "0.9"), trains=True,
        ),
        "trainer_new.py": Script(
            "train", _NEW, {"learning_rate": "1e-4", "gradient_clip_val": "1", "max_steps": "2000",
            "warmup_steps": "10", "beta1": "0.9", "beta2": "0.99", "save_every_n_train_steps": "100",
            "tag_dropout": "0.5", "lora_config_path": "config/lora_config_transformer_only.json"},
            (*_V1, "--data.tags_share", "1", "--data.tag_shuffle"), trains=True,
        ),
        "convert2hf_dataset.py": Script("scan", _CONVERTING),
        "convert2hf_dataset_new.py": Script("scan", {**_CONVERTING, "default_tag": NOTHING}),
        "preprocess_dataset_new.py": Script(
            "encode", {"input_name": "DATASET", "checkpoint_dir": "--model-path", "output_dir": NOT_NEEDED,
            "output_name": NOT_NEEDED}, always=("--model", "v1"),
        ),
        "generate_prompts_lyrics.py": Script(
            "annotate", {"data_dir": "FOLDER", "lyrics": "--with lyrics", "overwrite": "--overwrite all"},
            always=("--with", "omni"),
        ),
        "add_alpha_in_lora.py": Script("adapter convert", _SCALING, always=("--variant", "v1", "--to", "comfyui")),
        "bake_alpha_in_lora.py": Script("adapter convert", _SCALING, always=("--variant", "v1", "--to", "universal")),
    }
)  # fmt: skip
#: Configurations that are published with the scripts, by the names of their files: rank, alpha, rsLoRA, layers.
PUBLISHED_CONFIGS: Final[Mapping[str, Mapping[str, object]]] = MappingProxyType(
    {
        "zh_rap_lora_config.json": {
            "r": 256, "lora_alpha": 32, "use_rslora": True,
            "target_modules": ["speaker_embedder", "linear_q", "linear_k", "linear_v", "to_q", "to_k", "to_v",
                               "to_out.0"],
        },
        "lora_config_transformer_only.json": {
            "r": 64, "lora_alpha": 1, "use_rslora": True, "target_modules": ["to_q", "to_k", "to_v", "to_out.0"],
        },
    }
)  # fmt: skip
