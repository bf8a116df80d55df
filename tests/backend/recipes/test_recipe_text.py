"""A recipe as TOML reads back as itself."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from backend.catalog.catalog_files import load_models
from backend.recipes.fields import FIELDS, Recipe
from backend.recipes.mapping import recipe_from_mapping
from backend.recipes.recipe_text import recipe_to_toml
from backend.recipes.values import MOST

TEXT = st.text(st.characters(blacklist_categories=("Cs",)))
VALUES = {
    "int": st.integers(1, MOST),
    "float": st.floats(0, allow_infinity=False, allow_nan=False),
    "bool": st.booleans(),
    "ints": st.lists(st.integers(1, 10**6), min_size=1).map(tuple),
    "floats": st.lists(st.floats(0, allow_infinity=False, allow_nan=False), min_size=1).map(tuple),
    "str": TEXT,
    "path": TEXT,
}


def values_of(field):
    values = st.sampled_from(field.choices) if field.choices else VALUES[field.kind]
    if field.kind == "names":
        values = st.lists(values, min_size=1, unique=True).map(tuple)
    return st.none() | values if field.default is None else values


RECIPES = st.builds(
    Recipe,
    **{field.name: values_of(field) for field in FIELDS},
    architecture=st.none() | st.sampled_from([model.architecture for model in load_models()]),
)


@given(RECIPES, st.booleans())
def test_reads_back(recipe, everything):
    text = recipe_to_toml(recipe, everything)
    assert recipe_from_mapping(tomllib.loads(text)) == (recipe, ())


def test_writes_what_matters_with_the_guides_names(recipe):
    text = recipe_to_toml(recipe)
    assert "tensor_parallel = 8  # TP\n" in text
    assert "# parallel\n" in text
    assert "seed" not in text
    assert "samples = 1200  # SN" in text


def test_writes_everything_when_asked(recipe):
    text = recipe_to_toml(recipe, everything=True)
    assert "lr = 2.5e-5  # LR" in text
    missing = [field.name for field in FIELDS if f"\n{field.name} = " not in text]
    assert missing == [field.name for field in FIELDS if getattr(recipe, field.name) is None]


def test_a_hostile_path_stays_one_value():
    path = '/a "b"\n[architecture]\nTP = 9 #\x7f\x00\\'
    text = recipe_to_toml(Recipe(data_path=path))
    assert tomllib.loads(text)["data_path"] == path
    assert "architecture" not in tomllib.loads(text)
