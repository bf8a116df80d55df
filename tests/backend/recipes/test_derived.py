"""What follows from a recipe, also from one that is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.recipes import derived
from backend.recipes.fields import Recipe


def test_follows_the_layout(recipe):
    wide = replace(recipe, nodes=8, micro_batch_size=2)
    assert derived.npus(wide) == 64
    assert derived.data_parallel(wide) == 2
    assert derived.num_micro_batches(wide) == 32


@pytest.mark.parametrize(("nodes", "npus"), [(1, 8), (3, 8), (5, 8)])
def test_npus_that_do_not_divide_have_no_data_parallel_size(recipe, nodes, npus):
    wrong = replace(recipe, nodes=nodes, npus_per_node=npus)
    assert derived.data_parallel(wrong) is None
    assert derived.num_micro_batches(wrong) is None


@pytest.mark.parametrize(
    ("samples", "gbs", "epochs", "iterations"), [(1200, 128, 5, 45), (127, 128, 5, 0), (128, 128, 1, 1)]
)
def test_iterations_divide_first_as_the_shell_does(samples, gbs, epochs, iterations):
    recipe = Recipe(samples=samples, global_batch_size=gbs, epochs=epochs)
    assert derived.train_iterations(recipe) == iterations


def test_given_iterations_win(recipe):
    assert derived.train_iterations(replace(recipe, train_iterations=7)) == 7
    assert derived.train_iterations(Recipe()) is None
    assert derived.warmup_iterations(Recipe()) is None
    assert derived.total_tokens(Recipe()) is None


def test_tokens_and_warmup(recipe):
    short = replace(recipe, train_iterations=250)
    assert derived.warmup_iterations(short) == 2
    assert derived.consumed_tokens(short, 10) == 10 * 128 * 4096
    assert derived.total_tokens(short) == 250 * 128 * 4096


def test_layers_per_stage(recipe):
    assert derived.layers_per_stage(recipe, 80) == (20, 20, 20, 20)
    assert derived.layers_per_stage(replace(recipe, layers_per_stage=(19, 21, 21, 19)), 80) == (
        19,
        21,
        21,
        19,
    )
    assert derived.spread_layers(10, 4) == (3, 3, 2, 2)
    assert derived.spread_layers(4, 0) == ()
    assert derived.spread_layers(4, 10**12) == ()


@given(
    st.builds(
        Recipe,
        **{
            name: st.integers(-3, 40)
            for name in (
                "tensor_parallel",
                "pipeline_parallel",
                "nodes",
                "npus_per_node",
                "micro_batch_size",
                "global_batch_size",
                "samples",
                "epochs",
            )
        },
    ),
    st.integers(0, 100),
)
def test_never_raises(recipe, layers):
    derived.num_micro_batches(recipe)
    derived.total_tokens(recipe)
    derived.warmup_iterations(recipe)
    derived.layers_per_stage(recipe, layers)
    copies = derived.data_parallel(recipe)
    assert copies is None or copies * derived.model_parallel(recipe) == derived.npus(recipe)
