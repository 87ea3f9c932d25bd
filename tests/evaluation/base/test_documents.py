"""YAML and JSON: nothing is replaced without a word, and what cannot be read is said with its place."""

import pytest

from evaluation.base.documents import parse_json, parse_yaml, read_yaml
from evaluation.base.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "file, line 2: duplicate key 'a', first in line 1"),
        ("x: {a: 1, a: 2}\n", "duplicate key 'a'"),
        ("? [a]\n: b\n", "line 1: a list or a mapping stands where a key is expected"),
        ("title: {{name}}\n", "put text that begins with { or [ into quotes"),
    ],
)
def test_keys_are_words_and_stand_once(text, said):
    with pytest.raises(ConfigError) as raised:
        parse_yaml(text, "file")
    assert said in str(raised.value)


def test_merged_keys_may_be_replaced_and_merged_again():
    """A mapping that merges another one, and is merged itself, was refused: "duplicate key 'a'"."""
    text = "one: &one {a: 1, b: 2}\ntwo: &two\n  <<: *one\n  a: 3\nthree:\n  <<: *two\n  b: 4\n"
    assert parse_yaml(text, "file")["three"] == {"a": 3, "b": 4}
    assert parse_yaml("{1: x, '1': y}", "file") == {1: "x", "1": "y"}


def test_numbers_of_json_are_numbers(tmp_path):
    """A run's profile.json was read as YAML, where 1e-06 is text: every job refused the profile."""
    (tmp_path / "profile.json").write_text('{"rate": 1e-06, "size": 1e+20}')
    assert read_yaml(tmp_path / "profile.json") == {"rate": 1e-6, "size": 1e20}


@pytest.mark.parametrize(("text", "said"), [('{"a": 1, "a": 2}', "duplicate key 'a'"), ("{", "is not JSON")])
def test_json_is_read_alike(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_json(text, "--params")
