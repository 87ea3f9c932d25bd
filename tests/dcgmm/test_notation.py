"""Notation, shapes (Table VI), parameter counts (Table V), and what is refused."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import naive_dcgmm as plain
from dcgmm.instances import INSTANCES, instance_config
from dcgmm.notation import Cgmm, Classifier, ConfigurationError, Folding, Pooling, parse, place, unparse

TABLE_V = {  # outputs by Table VI, bottom first, and the number of centroid parameters
    "A": ([(1, 1, 784), (1, 1, 49)], 38416),
    "B": ([(11, 11, 64), (11, 11, 49), (1, 1, 5929), (1, 1, 49)], 293657),
    "C": ([(21, 21, 64), (21, 21, 49), (10, 10, 49), (1, 1, 4900), (1, 1, 49)], 243236),
    "D": (
        [(26, 26, 9), (26, 26, 25), (13, 13, 25), (10, 10, 400), (10, 10, 25), (5, 5, 25), (1, 1, 625), (1, 1, 49)],
        40850,
    ),
    "E": ([(26, 26, 9), (26, 26, 25), (12, 12, 400), (12, 12, 25), (1, 1, 3600), (1, 1, 49)], 186625),
    "F": (
        [(26, 26, 9), (26, 26, 25), (12, 12, 400), (12, 12, 25), (5, 5, 400), (5, 5, 25), (1, 1, 625), (1, 1, 49)],
        50850,
    ),
    "G": (
        [
            *[(26, 26, 9), (26, 26, 25), (13, 13, 25), (11, 11, 225), (11, 11, 25), (6, 6, 25)],
            *[(4, 4, 225), (4, 4, 25), (2, 2, 25), (1, 1, 100), (1, 1, 49)],
        ],
        16375,
    ),
}


@pytest.mark.parametrize("name", TABLE_V)
def test_table_v(name):
    shapes, parameters = TABLE_V[name]
    placed = place(INSTANCES[name].config, (28, 28, 1))
    assert [layer.output_shape for layer in placed.layers] == shapes
    assert [layer.input_shape for layer in placed.layers] == [(28, 28, 1), *shapes[:-1]]
    assert placed.centroid_parameters == parameters
    assert placed.config == INSTANCES[name].config


def test_instances_for_other_images_and_sharing():
    svhn = place(instance_config("B", (32, 32, 3)), (32, 32, 3))
    assert [layer.output_shape for layer in svhn.layers] == [(5, 5, 432), (5, 5, 64), (1, 1, 1600), (1, 1, 100)]
    assert svhn.centroid_parameters == 25 * 64 * 432 + 100 * 1600
    assert place(instance_config("A", (32, 32, 3)), (32, 32, 3)).layers[-1].output_shape == (1, 1, 49)
    independent = place(instance_config("E", (28, 28, 1), sharing="independent"), (28, 28, 1))
    assert [layer.positions for layer in independent.cgmm_layers] == [676, 144, 1]
    assert independent.centroid_parameters == 676 * 25 * 9 + 144 * 25 * 400 + 49 * 3600
    for arguments in (("C", (32, 32, 3)), ("H", (28, 28, 1))):
        with pytest.raises(ValueError, match=arguments[0]):
            instance_config(*arguments)
    with pytest.raises(ValueError, match="both"):
        instance_config("E", (28, 28, 1), sharing="both")


def test_every_form_is_read():
    config = "F(3,1) - G(25,independent)-P(2,2)-P(3,2,valid)-G(9)-C(10,2)"
    layers = (Folding(3, 1), Cgmm(25, True), Pooling(2, 2), Pooling(3, 2, True), Cgmm(9), Classifier(10, 2))
    assert parse(config) == layers
    assert unparse(layers) == config.replace(" ", "")
    assert parse("G(4)-C(3)")[-1] == Classifier(3, 1)


@pytest.mark.parametrize(
    ("config", "shape", "says"),
    [
        # the layer, the shape that it would receive, why
        ("F(28,1)-(49)", (28, 28, 1), ["layer 1", "'(49)'", "G(components)"]),
        ("F(8,1)-G(49)-P(2,2)-F(11,1)-G(49)-F(2,1)-G(4)", (28, 28, 1), ["layer 5", "F(2,1)", "(1, 1, 49)", "larger"]),
        ("F(5,3)-G(4)", (28, 28, 1), ["layer 0", "F(5,3)", "(28, 28, 1)", "stride 3"]),
        ("F(3,1)-G(4)-P(30,2)-G(4)", (28, 28, 1), ["layer 2", "P(30,2)", "(26, 26, 4)", "26"]),
        ("F(2,3)-G(4)", (8, 8, 1), ["layer 0", "F(2,3)", "(8, 8, 1)", "skip"]),
        ("F(3,1)-G(0)", (8, 8, 1), ["layer 1", "G(0)", "zero"]),
        ("F(0,1)-G(4)", (8, 8, 1), ["layer 0", "F(0,1)", "zero"]),
        ("F(3,0)-G(4)", (8, 8, 1), ["layer 0", "F(3,0)", "zero"]),
        ("F(3)-G(4)", (8, 8, 1), ["layer 0", "F(3)", "F(size,stride)"]),
        ("F(3,1)-G(-4)", (8, 8, 1), ["layer 1"]),
        ("F(3,1)-G(4,sharde)", (8, 8, 1), ["layer 1", "G(4,sharde)", "independent"]),
        ("F(3,1)-P(2,2,same)-G(4)", (8, 8, 1), ["layer 1", "P(2,2,same)", "valid"]),
        ("F(3,1)-Q(4)", (8, 8, 1), ["layer 1", "Q(4)"]),
        ("F(3,1)-G(4)-", (8, 8, 1), ["layer 2"]),
        ("F(3,1)-P(2,2)", (8, 8, 1), ["no cGMM"]),
        ("F(3,1)-G(4)-P(2,2)", (8, 8, 1), ["layer 2", "P(2,2)", "end with a cGMM"]),
        ("C(10)-G(4)", (8, 8, 1), ["layer 0", "C(10)", "last"]),
        ("F(3,1)-G(4)-C(10,2)", (8, 8, 1), ["layer 2", "C(10,2)", "2 cGMM"]),
        ("G(4)-P(2,2)-C(10)", (8, 8, 1), ["layer 2", "C(10)", "P(2,2)"]),
        ("", (8, 8, 1), ["empty"]),
        ("G(4)", (8, 8), ["(8, 8)", "three"]),
        ("G(4)", (8, 0, 1), ["(8, 0, 1)", "positive"]),
    ],
)
def test_the_impossible_is_refused_with_layer_shapes_and_reason(config, shape, says):
    with pytest.raises(ConfigurationError) as refusal:
        place(config, shape)
    for words in says:
        assert words in str(refusal.value)


SIZES = st.integers(1, 40)
LAYERS = st.one_of(
    st.builds(Folding, SIZES, SIZES),
    st.builds(Pooling, SIZES, SIZES, st.booleans()),
    st.builds(Cgmm, SIZES, st.booleans()),
)


@given(st.lists(LAYERS, max_size=6), st.booleans(), st.none() | SIZES)
def test_round_trip(below, independent, classes):
    layers = (*below, Cgmm(7, independent), *([Classifier(classes)] if classes else []))
    assert parse(unparse(layers)) == layers


@given(st.text(alphabet="FGPC(),-19 validn", max_size=30) | st.text(max_size=10))
def test_any_text_is_parsed_or_refused(text):
    try:
        layers = parse(text)
    except ConfigurationError as refusal:
        assert re.search(r"\S", str(refusal))
    else:
        assert parse(unparse(layers)) == layers


SMALL = st.integers(1, 4)
SMALL_LAYERS = st.one_of(st.builds(Folding, SMALL, SMALL), st.builds(Pooling, SMALL, SMALL, st.booleans()))


@settings(max_examples=200)
@given(st.lists(SMALL_LAYERS, max_size=3), st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 2)))
def test_shapes_are_those_of_the_arrays(layers, shape):
    try:
        placed = place(unparse((*layers, Cgmm(1))), shape)
    except ConfigurationError:
        return
    a = np.zeros((1, *shape))
    for layer in placed.layers[:-1]:
        spec = layer.spec
        if isinstance(spec, Folding):
            a = plain.fold(a, spec.size, spec.stride)
        else:
            a = plain.pool(a, spec.size, spec.stride, spec.valid)
        assert a.shape[1:] == layer.output_shape
