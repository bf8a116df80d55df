"""Rules of batch, schedule and data: what is trained on, for how long, how fast."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backend.problems import Problem, Severity
from backend.recipes import derived
from backend.recipes.choices import NO_PROMPT_TYPE, PRETRAIN_DATA_TYPES, TEMPLATE_DATA_TYPES
from backend.recipes.fields import BY_NAME
from backend.recipes.numbers import number_text
from backend.recipes.rule import Rule, Subject
from backend.translation import _

MOST_ITERATIONS = 100_000_000
PRETRAIN_HANDLER = PRETRAIN_DATA_TYPES[0]
INSTRUCTION_HANDLER = "GeneralInstructionHandler"
_COLUMN = re.compile(r"[^/\x00-\x1f\x7f]+")


def _global_batch(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    copies = derived.data_parallel(recipe)
    if copies is None or derived.num_micro_batches(recipe) is not None:
        return
    step = recipe.micro_batch_size * copies
    below = recipe.global_batch_size // step * step
    above = below + step
    near = (
        above if not below or above - recipe.global_batch_size < recipe.global_batch_size - below else below
    )
    yield Problem(
        field="global_batch_size",
        severity=Severity.ERROR,
        what=_("GBS {gbs} is not divisible by MBS·DP = {mbs}·{dp}").format(
            gbs=recipe.global_batch_size, mbs=recipe.micro_batch_size, dp=copies
        ),
        why=_("every copy of the model takes the same number of micro batches"),
        fix=(
            _("take {below} or {above}").format(below=below, above=above)
            if below
            else _("take {above}").format(above=above)
        ),
        suggestion=str(near),
    )


def _sequence(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    if recipe.seq_length <= recipe.max_position_embeddings:
        return
    what = _("SEQ_LEN {seq} is longer than MAX_PE {most}")
    fix = _("take {most}, or raise max_position_embeddings to {seq}")
    numbers = {"seq": recipe.seq_length, "most": recipe.max_position_embeddings}
    yield Problem(
        field="seq_length",
        severity=Severity.ERROR,
        what=what.format(**numbers),
        why=_("no sample may be longer than the model can handle"),
        fix=fix.format(**numbers),
        suggestion=str(recipe.max_position_embeddings),
    )


def _learning_rate(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    if recipe.min_lr > recipe.lr:
        suggestion = number_text(float(f"{recipe.lr / 10:.6g}"))
        yield Problem(
            field="min_lr",
            severity=Severity.ERROR,
            what=_("MIN_LR {low} is above LR {high}").format(
                low=number_text(recipe.min_lr), high=number_text(recipe.lr)
            ),
            why=_("the learning rate decays from LR to MIN_LR"),
            fix=_("take {value} or less").format(value=number_text(recipe.lr)),
            suggestion=suggestion,
        )
    elif recipe.lr == 0:
        what, fix = _("LR is 0"), _("take 2.5e-5, the guide's value")
        yield Problem("lr", Severity.WARNING, what, _("nothing would be learnt"), fix, "2.5e-5")


def _warmup(subject: Subject) -> Iterator[Problem]:
    share = subject.recipe.warmup_fraction
    if share > 1:
        yield Problem(
            field="warmup_fraction",
            severity=Severity.ERROR,
            what=_("warmup_fraction is {share}").format(share=number_text(share)),
            why=_("it is a share of the iterations, at most 1"),
            fix=_("take 0.01 for one percent"),
            suggestion="0.01",
        )


def _optimizer(subject: Subject) -> Iterator[Problem]:
    for name in ("adam_beta1", "adam_beta2"):
        value = getattr(subject.recipe, name)
        if value >= 1:
            yield Problem(
                field=name,
                severity=Severity.ERROR,
                what=_("{name} is {value}").format(name=name, value=number_text(value)),
                why=_("it is the share of the old mean that is kept, less than 1"),
                fix=_("take {value}, the default").format(value=number_text(BY_NAME[name].default)),
                suggestion=number_text(BY_NAME[name].default),
            )
    if subject.recipe.adam_eps == 0:
        default = number_text(BY_NAME["adam_eps"].default)
        yield Problem(
            field="adam_eps",
            severity=Severity.ERROR,
            what=_("adam_eps is 0"),
            why=_("a weight without a gradient, as of a token that is not in the batch, would become 0 / 0"),
            fix=_("take {value}, the default").format(value=default),
            suggestion=default,
        )


def _from_scratch(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    if not recipe.from_scratch or recipe.run_type == "pretrain":
        return
    adapts = recipe.run_type == "lora"
    yield Problem(
        field="from_scratch",
        severity=Severity.ERROR if adapts else Severity.WARNING,
        what=_("{run_type} of random weights").format(run_type=recipe.run_type),
        why=(
            _("an adapter changes a model that has learnt something")
            if adapts
            else _("fine-tuning goes on from a model that has learnt something")
        ),
        fix=_("set from_scratch to false, or pretrain"),
        suggestion="false",
    )


def _handler(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    pretrains = recipe.run_type == "pretrain"
    if pretrains == (recipe.data_type in PRETRAIN_DATA_TYPES):
        return
    fitting = PRETRAIN_HANDLER if pretrains else INSTRUCTION_HANDLER
    yield Problem(
        field="data_type",
        severity=Severity.ERROR,
        what=_("RUN_TYPE {run_type} does not go with DATA_TYPE {handler}").format(
            run_type=recipe.run_type, handler=recipe.data_type
        ),
        why=(
            _("pretraining takes plain text")
            if pretrains
            else _("fine-tuning takes instructions, and masks the prompts")
        ),
        fix=_("take {handler}").format(handler=fitting),
        suggestion=fitting,
    )


def _prompt_type(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    wants = recipe.data_type in TEMPLATE_DATA_TYPES
    if wants == (recipe.prompt_type != NO_PROMPT_TYPE):
        return
    if wants:
        yield Problem(
            field="prompt_type",
            severity=Severity.ERROR,
            what=_("{handler} needs a prompt type").format(handler=recipe.data_type),
            why=_("it puts the records into the model's chat template"),
            fix=_("take the one of the model's family, e.g. llama2 or qwen"),
        )
    else:
        yield Problem(
            field="prompt_type",
            severity=Severity.ERROR,
            what=_("{handler} has no prompt type").format(handler=recipe.data_type),
            why=_("only {handlers} use one").format(handlers=_(" and ").join(TEMPLATE_DATA_TYPES)),
            fix=_("take none"),
            suggestion=NO_PROMPT_TYPE,
        )


def _json_key(subject: Subject) -> Iterator[Problem]:
    key = subject.recipe.json_key
    if not _COLUMN.fullmatch(key):
        yield Problem(
            field="json_key",
            severity=Severity.ERROR,
            what=_("{key!r} cannot be the name of a column").format(key=key),
            why=_("files are named after it"),
            fix=_("give a name without slashes and control characters"),
            suggestion="text",
        )


def _iterations(subject: Subject) -> Iterator[Problem]:
    recipe = subject.recipe
    iterations = derived.train_iterations(recipe)
    if iterations is not None and iterations > MOST_ITERATIONS:
        yield Problem(
            field="train_iterations" if recipe.train_iterations is not None else "samples",
            severity=Severity.ERROR,
            what=_("the training would take {count:,} iterations").format(count=iterations),
            why=_("at ten a second that is more than three months"),
            fix=_("look for a digit too many; at most {most:,} are accepted").format(most=MOST_ITERATIONS),
        )
    if recipe.train_iterations is not None:
        return
    if recipe.samples is None:
        yield Problem(
            field="samples",
            severity=Severity.ERROR,
            what=_("neither SN nor TRAIN_ITERS is given"),
            why=_("without one of them nobody knows when the training ends"),
            fix=_("set samples to the number of samples in the data set, or set train_iterations"),
        )
    elif recipe.samples < recipe.global_batch_size:
        yield Problem(
            field="samples",
            severity=Severity.ERROR,
            what=_("SN {samples} is less than GBS {gbs}").format(
                samples=recipe.samples, gbs=recipe.global_batch_size
            ),
            why=_("SN / GBS is cut down to 0, and 0 iterations train nothing"),
            fix=_("set train_iterations, or take GBS {samples} or less").format(samples=recipe.samples),
            suggestion=str(recipe.global_batch_size),
        )


def _saving(subject: Subject) -> Iterator[Problem]:
    iterations = derived.train_iterations(subject.recipe)
    if not iterations or subject.recipe.save_interval <= iterations:
        return
    yield Problem(
        field="save_interval",
        severity=Severity.WARNING,
        what=_("SAVE_INTERVAL {interval} is more than the {iterations} iterations").format(
            interval=subject.recipe.save_interval, iterations=iterations
        ),
        why=_("only the final version is saved, and a failure loses everything before it"),
        fix=_("take less than {iterations}").format(iterations=iterations),
        suggestion=str(max(1, iterations // 4)),
    )


_SCHEDULE = ("samples", "train_iterations", "global_batch_size")
RULES = (
    Rule(
        (
            "global_batch_size",
            "micro_batch_size",
            "tensor_parallel",
            "pipeline_parallel",
            "nodes",
            "npus_per_node",
        ),
        _global_batch,
    ),
    Rule(("seq_length", "max_position_embeddings"), _sequence),
    Rule(("lr", "min_lr"), _learning_rate),
    Rule(("warmup_fraction",), _warmup),
    Rule(("adam_beta1", "adam_beta2", "adam_eps"), _optimizer),
    Rule(("run_type", "from_scratch"), _from_scratch),
    Rule(("run_type", "data_type"), _handler),
    Rule(("data_type", "prompt_type"), _prompt_type),
    Rule(("json_key",), _json_key),
    Rule(("epochs", *_SCHEDULE), _iterations),
    Rule(("save_interval", "epochs", *_SCHEDULE), _saving),
)
