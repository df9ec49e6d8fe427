"""Check that damaged inputs raise only errors of previs, in short; ``make fuzz`` reads a million."""

import json
import random

import pytest

from benchmarks.fuzz import damaged, read_damaged
from benchmarks.mutations import json_text, wrong_json
from benchmarks.readers import READERS


@pytest.mark.parametrize("reader", READERS)
def test_damaged_inputs_raise_only_errors_of_previs_within_two_seconds(reader: str) -> None:
    found = read_damaged(reader, 0, 60 + 15 * READERS[reader].share)
    assert found.exceptions == {}
    assert found.too_slow == []


@pytest.mark.parametrize("reader", READERS)
def test_good_inputs_can_be_read(reader: str) -> None:
    for name, content in list(READERS[reader].good().items())[:3]:
        READERS[reader].read(content, name)


def test_an_input_is_the_same_each_time() -> None:
    assert [damaged("lists", number) for number in range(30)] == [damaged("lists", number) for number in range(30)]


def test_damage_keeps_the_good_value_and_can_repeat_a_key() -> None:
    good = {"shots": [{"shot_id": "a", "prompt": "p"}]}
    texts = [json_text(wrong_json(random.Random(seed), good)).decode() for seed in range(300)]
    assert good == {"shots": [{"shot_id": "a", "prompt": "p"}]}
    assert any(text.count('"shot_id"') > 1 and json.loads(text) for text in texts)
