"""Every hyperparameter, declared once. Form, flags, TOML, documentation and checks are made from this file.

Names on the left are the field's standard terms; the first argument is the guide's variable (Huawei Cloud
guide for AscendCloud 6.3.907, "表1 模型训练脚本参数" and "表1 训练超参配置说明").
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.catalog.model import Architecture
from backend.recipes.field import Field, declare, declared_fields
from backend.translation import _

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
WHAT, PARALLEL, BATCH, SCHEDULE, LORA, OUTPUT, PATHS, ENGINE = (
    "what",
    "parallel",
    "batch",
    "schedule",
    "lora",
    "output",
    "paths",
    "engine",
)
GROUPS = (WHAT, PARALLEL, BATCH, SCHEDULE, LORA, OUTPUT, PATHS, ENGINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to train. `None` means "not given"; derived values are in `recipes/derived.py`.

    `architecture` replaces the catalog's dimensions: for a model of a known family in another size.
    """

    model: str = declare("MODEL_NAME", "str", _("which model to train"), WHAT, default="", required=True)
    run_type: str = declare(
        "RUN_TYPE",
        "choice",
        _("pretrain, full fine-tuning or LoRA"),
        WHAT,
        default="pretrain",
        choices=RUN_TYPES,
    )
    data_path: str = declare(
        "ORIGINAL_TRAIN_DATA_PATH",
        "path",
        _("training data, on the shared directory"),
        WHAT,
        default="",
        required=True,
    )
    hf_weights: str = declare(
        "ORIGINAL_HF_WEIGHT", "path", _("folder of the Hugging Face weights"), WHAT, default="", required=True
    )
    tokenizer_path: str | None = declare(
        "TOKENIZER_PATH", "path", _("folder of the tokenizer, when it is not with the weights"), WHAT
    )
    data_type: str = declare(
        "DATA_TYPE",
        "choice",
        _("handler that turns records into samples"),
        WHAT,
        default="GeneralPretrainHandler",
        choices=DATA_TYPES,
    )
    prompt_type: str = declare(
        "",
        "choice",
        _("chat template of the records, for AlpacaStyle and SharegptStyle data"),
        WHAT,
        default=NO_PROMPT_TYPE,
        choices=PROMPT_TYPES,
        advanced=True,
    )
    json_key: str = declare(
        "",
        "str",
        _("column of the data that holds the text, for pretraining"),
        WHAT,
        default="text",
        advanced=True,
    )
    on_bad_row: str = declare(
        "",
        "choice",
        _("what a record that cannot be read does to the run: it stops, or the record is left out"),
        WHAT,
        default="fail",
        choices=BAD_ROW_POLICIES,
        advanced=True,
    )

    tensor_parallel: int = declare("TP", "int", _("tensor parallel size"), PARALLEL, default=1, minimum=1)
    pipeline_parallel: int = declare("PP", "int", _("pipeline parallel size"), PARALLEL, default=1, minimum=1)
    nodes: int = declare("NNODES", "int", _("number of nodes"), PARALLEL, default=1, minimum=1)
    npus_per_node: int = declare("", "int", _("NPUs used on each node"), PARALLEL, default=8, minimum=1)
    layers_per_stage: tuple[int, ...] | None = declare(
        "", "ints", _("layers of each pipeline stage, when not equal"), PARALLEL, advanced=True
    )

    micro_batch_size: int = declare(
        "MBS", "int", _("samples of one micro batch"), BATCH, default=1, minimum=1, unit="samples"
    )
    global_batch_size: int = declare(
        "GBS",
        "int",
        _("samples of one iteration over all NPUs"),
        BATCH,
        default=128,
        minimum=1,
        unit="samples",
    )
    seq_length: int = declare(
        "SEQ_LEN", "int", _("tokens of one sample"), BATCH, default=4096, minimum=1, unit="tokens"
    )
    max_position_embeddings: int = declare(
        "MAX_PE",
        "int",
        _("longest sequence the model can handle"),
        BATCH,
        default=8192,
        minimum=1,
        unit="tokens",
    )

    lr: float = declare("LR", "float", _("learning rate"), SCHEDULE, default=2.5e-5, minimum=0.0)
    min_lr: float = declare(
        "MIN_LR", "float", _("learning rate at the end of the decay"), SCHEDULE, default=2.5e-6, minimum=0.0
    )
    samples: int | None = declare(
        "SN", "int", _("samples in the data set"), SCHEDULE, minimum=1, unit="samples"
    )
    epochs: int = declare("EPOCH", "int", _("passes over the data set"), SCHEDULE, default=5, minimum=1)
    train_iterations: int | None = declare(
        "TRAIN_ITERS",
        "int",
        _("iterations; (SN // GBS) · EPOCH when not given"),
        SCHEDULE,
        minimum=1,
        unit="iterations",
    )
    warmup_fraction: float = declare(
        "",
        "float",
        _("share of the iterations in which the learning rate rises"),
        SCHEDULE,
        default=0.01,
        minimum=0.0,
        advanced=True,
    )
    weight_decay: float = declare(
        "", "float", _("weight decay of AdamW"), SCHEDULE, default=0.1, minimum=0.0, advanced=True
    )
    clip_grad: float = declare(
        "",
        "float",
        _("gradient norm above which gradients are scaled down"),
        SCHEDULE,
        default=1.0,
        minimum=0.0,
        advanced=True,
    )
    seed: int = declare(
        "SEED",
        "int",
        _("seed of data order and of new weights"),
        SCHEDULE,
        default=1234,
        minimum=0,
        advanced=True,
    )

    lora_rank: int = declare("", "int", _("LoRA rank r"), LORA, default=16, minimum=1, advanced=True)
    lora_alpha: int = declare("", "int", _("LoRA alpha"), LORA, default=32, minimum=1, advanced=True)

    save_interval: int = declare(
        "SAVE_INTERVAL",
        "int",
        _("iterations between checkpoints"),
        OUTPUT,
        default=1000,
        minimum=1,
        unit="iterations",
    )
    convert_to_hf: bool = declare(
        "CONVERT_MG2HF", "bool", _("convert the result to Hugging Face format"), OUTPUT, default=False
    )
    log_interval: int = declare(
        "",
        "int",
        _("iterations between log lines"),
        OUTPUT,
        default=1,
        minimum=1,
        unit="iterations",
        advanced=True,
    )

    processed_directory: str | None = declare(
        "INPUT_PROCESSED_DIR",
        "path",
        _("where preprocessed data and converted weights go"),
        PATHS,
        advanced=True,
    )
    output_directory: str | None = declare(
        "OUTPUT_SAVE_DIR", "path", _("where everything that is saved goes"), PATHS, advanced=True
    )
    checkpoint_directory: str | None = declare(
        "CKPT_SAVE_PATH", "path", _("where checkpoints go"), PATHS, advanced=True
    )
    log_directory: str | None = declare(
        "LOG_SAVE_PATH", "path", _("where training logs go"), PATHS, advanced=True
    )
    process_log_directory: str | None = declare(
        "ASCEND_PROCESS_LOG_PATH", "path", _("where the process logs of CANN go"), PATHS, advanced=True
    )
    tokenizer_type: str = declare(
        "TOKENIZER_TYPE",
        "choice",
        _("kind of tokenizer"),
        PATHS,
        default="PretrainedFromHF",
        choices=TOKENIZER_TYPES,
        advanced=True,
    )

    engine: str = declare(
        "",
        "choice",
        _("what trains: npudeck's own engine, or the guide's scripts"),
        ENGINE,
        default="native",
        choices=ENGINES,
    )
    release: str = declare(
        "",
        "str",
        _("release of the guide's package; some rules belong to one release"),
        ENGINE,
        default="6.3.907",
        advanced=True,
    )

    architecture: Architecture | None = None


FIELDS: tuple[Field, ...] = declared_fields(Recipe)
BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
