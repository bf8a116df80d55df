"""Every hyperparameter, declared once. Form, flags, TOML, documentation and checks are made from this file
and `training_fields.py`.

Names on the left are the field's standard terms; the first argument is the guide's variable (Huawei Cloud
guide for AscendCloud 6.3.907, "表1 模型训练脚本参数" and "表1 训练超参配置说明").
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.catalog.model import Architecture
from backend.recipes.choices import (
    BAD_ROW_POLICIES,
    DATA_TYPES,
    ENGINES,
    NO_PROMPT_TYPE,
    PROMPT_TYPES,
    RUN_TYPES,
    TOKENIZER_TYPES,
)
from backend.recipes.field import (
    BATCH,
    ENGINE,
    GROUPS,
    OUTPUT,
    PARALLEL,
    PATHS,
    WHAT,
    Field,
    declare,
    declared_fields,
)
from backend.recipes.training_fields import TrainingFields
from backend.translation import _


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(TrainingFields):
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
    from_scratch: bool = declare(
        "",
        "bool",
        _("begin with random weights; the folder of the weights then gives config and tokenizer alone"),
        WHAT,
        default=False,
        advanced=True,
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
    sequence_parallel: bool = declare(
        "",
        "bool",
        _("share the sequence among the tensor parallel ranks too, where layers are not"),
        PARALLEL,
        default=False,
        advanced=True,
    )
    recompute_activations: bool = declare(
        "",
        "bool",
        _("compute activations again in the backward pass instead of keeping them: less memory, more time"),
        PARALLEL,
        default=False,
        advanced=True,
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

    save_interval: int = declare(
        "SAVE_INTERVAL",
        "int",
        _("iterations between checkpoints"),
        OUTPUT,
        default=1000,
        minimum=1,
        unit="iterations",
    )
    keep_last: int = declare(
        "",
        "int",
        _("newest checkpoints that are kept; 0 for all of them"),
        OUTPUT,
        default=0,
        minimum=0,
        unit="checkpoints",
        advanced=True,
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


FIELDS: tuple[Field, ...] = tuple(
    sorted(declared_fields(Recipe), key=lambda field: GROUPS.index(field.group))
)
BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
