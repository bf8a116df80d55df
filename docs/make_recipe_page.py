"""Print docs/recipe.md from the one declaration of every field; a test keeps the page up to date."""

from __future__ import annotations

from backend.recipes.architecture_mapping import FAMILIES, HF_DTYPES
from backend.recipes.field import GROUPS, Field
from backend.recipes.fields import FIELDS
from backend.recipes.values import format_value

_HEAD = """# Recipe fields

`npudeck recipe new MODEL --run-type pretrain -o recipe.toml` makes a recipe with the guide's layout for the
model; `npudeck recipe validate` names every broken rule. Fields may also be written under the guide's names.
A table `[architecture]` replaces the catalog's dimensions, for a model of a known family in another size:

```toml
[architecture]
family = "llama2"          # {families}
layers = 4
hidden = 64
heads = 4
kv_heads = 2
head_dim = 16              # width of one head
ffn = 128                  # width of the gate, and of what goes up beside it
vocab = 32000
rope_theta = 10000.0
max_position = 4096
norm_eps = 1e-5
tie_embeddings = false     # these have a default: the head is the embedding's own
qkv_bias = false
hf_dtype = "bfloat16"      # {dtypes}; the training takes float32 or bfloat16
```
"""

_COLUMNS = "| field | guide | default | meaning |\n|---|---|---|---|\n"


def page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD.format(families=", ".join(FAMILIES), dtypes=", ".join(HF_DTYPES))]
    for group in GROUPS:
        fields = [field for field in FIELDS if field.group == group]
        if fields:
            rows = "\n".join(_row(field) for field in fields)
            parts.append(
                f"\n## {group}\n\n| field | guide | default | meaning |\n|---|---|---|---|\n{rows}\n"
            )
    return "".join(parts)


def _row(field: Field) -> str:
    default = "required" if field.required else format_value(field, field.default)
    choices = f" ({', '.join(field.choices)})" if field.choices else ""
    unit = f", in {field.unit}" if field.unit else ""
    guide = f"`{field.guide_name}`" if field.guide_name else ""
    return f"| `{field.name}` | {guide} | {default} | {field.help}{unit}{choices} |"


if __name__ == "__main__":
    print(page(), end="")
