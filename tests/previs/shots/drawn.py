"""Draw shot lists."""

from typing import Any, get_args

from hypothesis import strategies as st

from previs.shots import Reference, Shot, ShotList
from previs.shots.unused import FLAT_CAMERA, Owner, known_field

UPSTREAM: dict[str, Any] = {
    "shot_id": 1,
    "prompt": "电影风格，广角镜头，城市夜景...",
    "references": [{"url": "ref1.jpg", "reference_id": "ref_1"}],
    "duration": 3.0,
}
# What spreadsheets take for something else, or do not keep.
AWKWARD = (
    *("=1+1", "+1", "-1", "@a", "7", "007", "1.50", "1e3", "TRUE", "null", "1-2", "2026-01-02", "0:04", "50%", "1,5"),
    *(" a", "a ", "\ta", "a\rb", "a\r\nb", "a\n", "\n", "a\x00b", "\x1b[0m", "\x85", "\u2028", "\ufeff", "\ufffe"),
    *("😀", "json:1", "json:", "#N/A", "#REF!", "_x000D_", "_x0041_", "'a", '"a"', "Total", "合计", "board: pick"),
    *("a; b=c", "other fields", "prompt", "Scene", '=HYPERLINK("http://a")', "sep=;", "{a|b}", "<a>&amp;", "\ud7ff"),
)
texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(AWKWARD)
lines = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), min_size=1, max_size=20)
visible = lines.map(lambda text: "x" + text)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
OWNERS: tuple[Owner, ...] = get_args(Owner)
known = {*Shot.model_fields, *ShotList.model_fields, *Reference.model_fields, *FLAT_CAMERA}
extras = st.dictionaries(
    texts.filter(
        # A YAML file whose first key begins with a tag is taken for HTML.
        lambda key: key not in known and "<" not in key and not any(known_field(owner, key) for owner in OWNERS)
    ),
    json_values,
    max_size=2,
)
references = st.lists(
    st.fixed_dictionaries(
        {"url": visible, "reference_id": visible},
        optional={"strength": st.none() | st.floats(0, 10), "role": st.none() | visible},
    ),
    max_size=2,
    unique_by=lambda reference: (
        Shot.model_validate({**UPSTREAM, "references": [reference]}).references[0].reference_id.strip().casefold()
    ),
)
shots = st.builds(
    lambda fields, more: {**more, **fields},
    st.fixed_dictionaries(
        {
            "shot_id": st.integers(-(10**20), 10**20) | visible,
            "prompt": visible.map(lambda text: text.replace("@", "@@")),
            "duration": st.floats(0.001, 86_400) | st.integers(1, 100),
        },
        optional={
            "references": references,
            "negative_prompt": st.none() | texts,
            "seed": st.none() | st.integers(0, 2**64 - 1),
            "takes": st.none() | st.integers(1, 1000),
            "width": st.none() | st.integers(1, 16_384),
            "sequence": st.none() | texts,
            "notes": st.none() | texts,
            "description": st.none() | texts,
            "dialogue": st.none() | texts | st.integers(0, 99),
            "camera": st.dictionaries(st.sampled_from(("size", "angle", "lens", "mood")), visible),
            "overrides": st.none() | st.dictionaries(visible, json_values, max_size=2),
            "cast": st.lists(visible, max_size=2),
            "style": visible | st.fixed_dictionaries({}, optional={"before": texts, "negative_prompt": texts}),
            "workflow": st.none() | visible,
        },
    ),
    extras,
)


def _unlike(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**value, "shot_id": f"{index} {value['shot_id']}" if index else value["shot_id"]}
        for index, value in enumerate(values)
    ]


looks = st.fixed_dictionaries(
    {},
    optional={
        "style": visible,
        "characters": st.dictionaries(visible, st.fixed_dictionaries({"prompt": texts}), max_size=1),
        "sequences": st.dictionaries(visible, st.fixed_dictionaries({"width": st.integers(1, 99)}), max_size=1),
        "workflows": st.dictionaries(visible, visible, max_size=1),
        "takes": st.none() | st.integers(1, 1000),
    },
)
lists = st.builds(
    lambda more, looks, title, fps, several: more | looks | {"title": title, "fps": fps, "shots": _unlike(several)},
    extras,
    looks,
    texts,
    st.floats(0.1, 1000),
    st.lists(shots, min_size=1, max_size=3),
)
