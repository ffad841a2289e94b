"""What differs between model families is said here once: which class loads them, where the blocks are, who sees whom.

A causal model's tokens see those before them, so the template's prefix is read once for all texts and padding behind a
text is harmless. In an encoder every token sees all others, so neither holds.
"""

from __future__ import annotations

from typing import Any

from fac_core.errors import ModelError

BLOCKS = (
    "model.layers",  # Llama, Mistral, Qwen, Gemma, Phi
    "model.language_model.layers",  # Gemma 3 and others that also take pictures
    "language_model.model.layers",
    "transformer.h",  # GPT-2
    "gpt_neox.layers",  # Pythia
    "model.decoder.layers",  # OPT
    "bert.encoder.layer",
    "roberta.encoder.layer",
    "encoder.layer",  # an encoder without head
)
_ENCODERS = ("ForMaskedLM", "ForPreTraining")
_ENCODER_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra")


def is_encoder(config: Any) -> bool:
    """Whether every token of the model sees all others."""
    names = getattr(config, "architectures", None) or [""]
    if getattr(config, "is_decoder", False):
        return False
    return str(names[0]).endswith(_ENCODERS) or config.model_type in _ENCODER_TYPES


def model_class(config: Any) -> Any:
    """The class of transformers that loads the model."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    return AutoModelForMaskedLM if is_encoder(config) else AutoModelForCausalLM


def text_config(config: Any) -> Any:
    """The part of a configuration that is about text."""
    return config.get_text_config()


def blocks(model: Any) -> Any:
    """The list of transformer blocks.

    Raises:
        ModelError: it is at none of the places in BLOCKS.
    """
    for path in BLOCKS:
        node = model
        for name in path.split("."):
            node = getattr(node, name, None)
            if node is None:
                break
        else:
            return node
    raise ModelError(f"The blocks of a {type(model).__name__} could not be found.")
