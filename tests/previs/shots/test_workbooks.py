"""Workbooks are read as their programs mean them, within bounds on what they expand to."""

import contextlib
import io
import time
import zipfile
from html import escape
from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_shot_list, workbook
from previs.shots.from_xlsx import read_xlsx

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATION = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
TIME, ELAPSED, DAY = 1, 2, 3


def zipped(parts: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()


def cell(reference: str, value: Any) -> str:
    """Write one cell: text shared or inline, a number, or a number with a style or type."""
    match value:
        case str():
            return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t><rPh><t>furigana</t></rPh></is></c>'
        case (number, int(style)):
            return f'<c r="{reference}" s="{style}"><v>{number}</v></c>'
        case (text, kind):
            return f'<c r="{reference}" t="{kind}"><v>{text}</v></c>'
        case _:
            return f'<c r="{reference}"><v>{value}</v></c>'


def sheet_xml(rows: dict[int, list[Any]], *merges: str) -> str:
    lines = []
    for number, row in rows.items():
        cells = (cell(f"{chr(65 + at)}{number}", each) for at, each in enumerate(row) if each != "")
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    merged = "".join(f'<mergeCell ref="{each}"/>' for each in merges)
    return f"<worksheet {_MAIN}><sheetData>{''.join(lines)}</sheetData><mergeCells>{merged}</mergeCells></worksheet>"


def xlsx(sheets: dict[str, str | bytes], *, hidden: str = "", shared: str = "") -> bytes:
    entries = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="rId{at}" state="{"hidden" if name == hidden else "visible"}"/>'
        for at, name in enumerate(sheets, 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{at}" Target="worksheets/sheet{at}.xml"/>' for at in range(1, len(sheets) + 1)
    )
    styles = (
        f'<styleSheet {_MAIN}><numFmts><numFmt numFmtId="170" formatCode="[h]:mm:ss"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="21"/><xf numFmtId="170"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    )
    parts = {
        "xl/workbook.xml": f"<workbook {_MAIN} {_RELATION}><sheets>{entries}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships>{relations}</Relationships>",
        "xl/styles.xml": styles,
        "xl/sharedStrings.xml": f"<sst {_MAIN}>{shared}</sst>",
    }
    return zipped(parts | {f"xl/worksheets/sheet{at}.xml": text for at, text in enumerate(sheets.values(), 1)})


def ods(table: str) -> bytes:
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    mimetype = "application/vnd.oasis.opendocument.spreadsheet"
    return zipped({"mimetype": mimetype, "content.xml": f"<office:document {_ODF}>{body}</office:document>"})


def read(content: bytes) -> ShotList:
    return read_shot_list(content, name="list.xlsx")


def faults(content: bytes) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read(content)
    return [str(fault) for fault in caught.value.faults]


HEADER = ["Scene", "Shot", "Description", "Duration", "Notes"]


def test_a_workbook_is_read_with_titles_merged_cells_and_times() -> None:
    rows = {
        1: ["The Last Ferry"],
        3: HEADER,
        4: [12, 1, ("0", "s"), (4 / 86_400, TIME), (46_024, DAY)],
        5: ["", 2, "手", (1.5 / 86_400, ELAPSED), ("1", "b")],
        9: [13, ("2B", "str"), "Two women", 3.5],
    }
    shared = "<si><r><t>Fog </t></r><r><t>rolls in</t></r><rPh><t>x</t></rPh></si>"
    sheet = read(xlsx({"Shots": sheet_xml(rows, "A4:A5", "A1:E1")}, shared=shared))
    assert [shot.given() for shot in sheet.shots] == [
        {"shot_id": 1, "scene": "12", "description": "Fog rolls in", "duration": 4, "notes": "2026-01-02"},
        {"shot_id": 2, "scene": "12", "description": "手", "duration": 1.5, "notes": "TRUE"},
        {"shot_id": "2B", "scene": "13", "description": "Two women", "duration": 3.5},
    ]
    assert sheet.notices == ("1 row without a shot is skipped: 1",)


def test_all_sheets_with_shots_are_read_and_the_others_are_named() -> None:
    first, second = ({1: HEADER, 2: [scene, 1, "x", 2]} for scene in (1, 2))
    cast = {1: ["Name", "Description", "Location", "Notes"], 2: ["Mei", "a woman", "pier", ""]}
    sheets = {"Act 1": sheet_xml(first), "Cast": sheet_xml(cast), "Act 2": sheet_xml(second), "Old": sheet_xml(first)}
    made = read(xlsx(sheets, hidden="Old"))
    assert [(shot.shot_id, shot.sequence) for shot in made.shots] == [("1-1", "Act 1"), ("2-1", "Act 2")]
    assert made.notices[1:] == ("sheets that are hidden or have no shots are not read: Cast, Old",)
    [fault] = faults(xlsx(sheets | {"Act 2": sheet_xml({1: HEADER, 3: [1, 2, "x", -1]})}, hidden="Old"))
    assert fault.startswith("row 3 of sheet Act 2 (shot_id 2), Duration: -1.0: seconds")


def test_what_a_spreadsheet_makes_of_numbers_is_said() -> None:
    rows = {1: HEADER, 2: [1, (46_024, DAY), ("#N/A", "e"), (4 / 1440, TIME)]}
    assert [fault.partition(": ")[0] for fault in faults(xlsx({"a": sheet_xml(rows)}))] == [
        "row 2, Shot",
        "row 2 (shot_id 2026-01-02), Description",
    ]
    [notice] = read(xlsx({"a": sheet_xml({1: HEADER, 2: [1, 1, "x", (4 / 1440, TIME)]})})).notices
    assert notice.startswith("all durations are whole minutes, such as 240 s")


ODS = """<table:table table:name="Shots"><table:table-row><table:table-cell/></table:table-row>
<table:table-row><table:table-cell office:value-type="string"><text:p>Scene</text:p></table:table-cell>
<table:table-cell><text:p>Shot</text:p></table:table-cell>
<table:table-cell><text:p>Description</text:p></table:table-cell>
<table:table-cell><text:p>Duration</text:p></table:table-cell></table:table-row>
<table:table-row>
<table:table-cell office:value-type="float" office:value="12" table:number-rows-spanned="2">
<text:p>12</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="1"/>
<table:table-cell office:value-type="string"><office:annotation><text:p>a comment</text:p></office:annotation>
<text:p>Fog<text:s text:c="2"/><text:span>rolls</text:span></text:p><text:p>in</text:p></table:table-cell>
<table:table-cell office:value-type="time" office:time-value="PT00H00M04.5S"><text:p>00:04</text:p></table:table-cell>
</table:table-row>
<table:table-row><table:covered-table-cell/><table:table-cell><text:p>2</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>HAND</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="2"/>
<table:table-cell table:number-columns-repeated="16000"/></table:table-row>
<table:table-row table:number-rows-repeated="1048570">
<table:table-cell table:number-columns-repeated="16384"/></table:table-row>
</table:table>"""


def test_an_ods_is_read_with_merged_cells_times_and_no_comments() -> None:
    first, second = read(ods(ODS.replace("HAND", "Hand"))).shots
    assert first.given() == {"shot_id": 1, "scene": "12", "description": "Fog  rolls\nin", "duration": 4.5}
    assert second.given() == {"shot_id": 2, "scene": "12", "description": "Hand", "duration": 2}
    assert faults(ods(ODS.replace("HAND", "#REF!")))[0].startswith('row 4 (shot_id 2), Description: "#REF!": a formula')


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"word/document.xml": "<a/>"}), "another kind of zip file"),
        (b"PK\x03\x04" + b"\0" * 50, "a damaged workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50, "an old or protected workbook"),
        (xlsx({"a": sheet_xml({})}), "it is empty"),
        (xlsx({"a": sheet_xml({1: ["x", "y"], 2: [1, 2]})}), "this is no shot list"),
        (xlsx({"a": "<worksheet><sheetData>"}), "a damaged workbook (xl/worksheets/sheet1.xml"),
        (xlsx({"a": '<!DOCTYPE a [<!ENTITY b "c">]><worksheet>&b;</worksheet>'}), "a DOCTYPE in it"),
    ],
)
def test_what_is_no_workbook_is_said(content: bytes, said: str) -> None:
    assert said in faults(content)[0]


def test_what_a_workbook_expands_to_is_bounded() -> None:
    far = {1: HEADER} | {number: [1, number, "x", 2] for number in range(2, 200)}
    wide = sheet_xml(far).replace("</row>", '<c r="XFD9"><v>1</v></c></row>')
    full = '<table:table-cell table:number-columns-repeated="9"><text:p>x</text:p></table:table-cell>'
    repeated = ODS.replace('<table:table-cell table:number-columns-repeated="16384"/>', full)
    began = time.process_time()
    assert "more than 2,000,000 values" in faults(xlsx({"a": wide}))[0]
    assert "more than 2,000,000 values" in faults(ods(repeated))[0]
    text = f"<si><t>{'x' * 1_000_000}</t></si>"
    many = {1: HEADER} | {number: [1, number, ("0", "s"), 2] for number in range(2, 99)}
    assert "more than 50 MB of text" in faults(xlsx({"a": sheet_xml(many)}, shared=text))[0]
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("bounds", "said"), [((100, 10_000, 10_000), "MB when unpacked"), ((100_000, 100, 10_000), "XML elements")]
)
def test_documents_are_read_within_bounds(bounds: tuple[int, int, int], said: str) -> None:
    rows = {number: [1, number, "x", 2] for number in range(2, 99)}
    archive = workbook.Archive(xlsx({"a": sheet_xml(rows)}), workbook.Budget("a.xlsx", *bounds))
    with pytest.raises(ShotListFaults, match=said):
        read_xlsx(archive)
    with pytest.raises(ShotListFaults, match="more than 10,000 parts"):
        workbook.Archive(b"PK\x01\x02" * 10_001, workbook.Budget("a.xlsx"))


def test_characters_that_xml_cannot_hold_are_read_as_they_are_written() -> None:
    rows = {1: HEADER, 2: [1, 1, ("0", "s"), 2, "b_x000d_"], 3: [1, 2, "_x005F_x0041_", 2, "_xD83D_"]}
    first, second = read(xlsx({"a": sheet_xml(rows)}, shared="<si><t>a_x000A_b_x0041</t></si>")).shots
    assert (first.description, first.notes) == ("a\nb_x0041", "b")
    assert (second.description, second.notes) == ("_x0041_", "_xD83D_")


@pytest.mark.parametrize("named", ["UTF-16", "unicode_escape", "FLOAT"])
def test_the_encoding_that_a_document_names_is_not_looked_up(named: str) -> None:
    text = f'<?xml version="1.0" encoding="{named}"?>' + sheet_xml({1: HEADER, 2: [1, 1, "雾", 2]})
    assert read(xlsx({"a": text})).shots[0].description == "雾"
    assert read(xlsx({"a": text.encode("utf-16")})).shots[0].description == "雾"


@pytest.mark.parametrize("at", range(0, 4000, 130))
def test_a_damaged_workbook_is_a_fault_and_no_traceback(at: int) -> None:
    content = bytearray(xlsx({"a": sheet_xml({1: HEADER, 2: [1, 1, "x", 2]})}))
    for byte in (0, 0x80, 0xFF):
        content[-1 - at % len(content)] ^= byte
        with contextlib.suppress(ShotListFaults):
            read(bytes(content))


def test_a_cell_far_away_costs_nothing() -> None:
    rows = {1: HEADER, 2: [1, 1, "x", 2], 1_048_576: ["", "", "", "", "far"]}
    assert read(xlsx({"a": sheet_xml(rows)})).notices == ("1 row without a shot is skipped: 1048576",)
