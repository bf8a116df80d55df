"""What a field of a recipe can be, where that is one of several names."""

from __future__ import annotations

ENGINES = ("native", "ascendspeed")
RUN_TYPES = ("pretrain", "sft", "lora")
PRETRAIN_DATA_TYPES = ("GeneralPretrainHandler", "AlpacaPretrainHandler")
TEMPLATE_DATA_TYPES = ("AlpacaStyleInstructionHandler", "SharegptStyleInstructionHandler")
DATA_TYPES = (
    *PRETRAIN_DATA_TYPES,
    "GeneralInstructionHandler",
    "BelleMultiTurnInstructionHandler",
    "MOSSInstructionHandler",
    "MOSSMultiTurnHandler",
    *TEMPLATE_DATA_TYPES,
)
# names of ModelLink's --prompt-type; "none" is its default
NO_PROMPT_TYPE = "none"
PROMPT_TYPES = (
    NO_PROMPT_TYPE,
    "default",
    "empty",
    "chatglm2",
    "chatglm3",
    "chatglm3_system",
    "glm4",
    "chatml",
    "chatml_de",
    "qwen",
    "llama3",
    "llama2",
    "mistral",
    "mixtral",
    "gemma",
    "alpaca",
    "deepseek2",
    "deepseek2-lite",
)
BAD_ROW_POLICIES = ("fail", "skip")
TOKENIZER_TYPES = ("PretrainedFromHF", "GPT2BPETokenizer", "BertWordPieceLowerCase", "BertWordPieceCase")
DECAY_STYLES = ("cosine", "linear", "constant")
# linear layers by Megatron's names (mcore); the guide's scripts adapt all four
LORA_TARGETS = ("linear_qkv", "linear_proj", "linear_fc1", "linear_fc2")
