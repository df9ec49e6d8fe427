from previs.records.takes import Frame
from tests.previs.records.published import mark


def frame(number: int, **fields: object) -> Frame:
    return Frame(key=f"frames/{number}.png", sha256=mark(str(number)), size=1, media_type="image/png", **fields)  # type: ignore[arg-type]


def test_records_with_the_same_fields_share_the_set_of_their_names() -> None:
    one, other, wide = frame(1), frame(2), frame(3, width=64)
    assert one.model_fields_set is other.model_fields_set
    assert one.model_fields_set == {"key", "sha256", "size", "media_type"}
    assert wide.model_fields_set == {"key", "sha256", "size", "media_type", "width"}


def test_a_copy_with_another_field_changes_no_other_record() -> None:
    one, other = frame(1), frame(2)
    copied = one.model_copy(update={"width": 64})
    assert copied.model_fields_set == {*one.model_fields_set, "width"}
    assert other.model_fields_set == {"key", "sha256", "size", "media_type"}
    assert other.model_dump(exclude_unset=True).keys() == other.model_fields_set
