"""Make small workbooks, pictures and videos, for the fuzzer to damage."""

import io
import zipfile
from datetime import date, datetime, time
from functools import cache
from typing import Any

import xlsxwriter
from PIL import Image

from benchmarks.recorded import graphs
from previs.shots import read_shot_list
from previs.shots.to_sheet import write_csv, write_xlsx
from previs.simulator import media

_SHOTS: tuple[tuple[Any, ...], ...] = (
    ("Scene", "Shot", "Description", "Shot Size", "Duration", "FPS", "Reference", "Notes"),
    (12, 1, "Fog over the pier", "WS", time(0, 0, 4), 25, "a.jpg; mei=b.jpg", date(2026, 1, 2)),
    ("", 2, "=A1", "CU", "00:00:03:12", 25, "", True),
    (13, "2B", "雾中的渡轮", "特写", 2.5, 25, "https://example.com/a,b.jpg", ""),
)
_LIST: dict[str, Any] = {
    "title": "The Last Ferry",
    "studio": None,
    "shots": [
        {"shot_id": "007", "prompt": "=fog", "duration": 3.5, "camera": {"size": "CU"}, "seed": 2**64 - 1, "mood": 1.0},
        {
            "shot_id": 2,
            "description": " a hand ",
            "duration": 2,
            "references": [{"url": "a.jpg", "reference_id": "mei", "strength": 0.5}],
            "overrides": {"4.cfg": 7.5},
            "remark": ["x"],
        },
    ],
}
_NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
_ODS = f"""<?xml version="1.0"?><office:document-content {_NAMESPACES}><office:body><office:spreadsheet>
<table:table table:name="Shots"><table:table-row>
<table:table-cell office:value-type="string"><text:p>Scene</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Shot</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Description</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Duration</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Notes</text:p></table:table-cell>
<table:table-cell office:value-type="string"><text:p>Mood</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell office:value-type="float" office:value="12" table:number-rows-spanned="2"/>
<table:table-cell office:value-type="percentage" office:value="1"/>
<table:table-cell office:value-type="string"><office:annotation><text:p>a comment</text:p></office:annotation>
<text:p>Fog<text:s text:c="2"/><text:span>rolls</text:span></text:p>
<text:p>in<text:line-break/></text:p></table:table-cell>
<table:table-cell office:value-type="time" office:time-value="PT00H00M04.5S"/></table:table-row>
<table:table-row><table:covered-table-cell/><table:table-cell office:value-type="float" office:value="2"/>
<table:table-cell office:value-type="boolean" office:boolean-value="true"/>
<table:table-cell office:value-type="float" office:value="2"/>
<table:table-cell office:value-type="date" office:date-value="2026-01-02T00:00:00" table:number-columns-repeated="2"/>
<table:table-cell table:number-columns-repeated="16380"/></table:table-row>
<table:table-row table:number-rows-repeated="1048570"><table:table-cell/></table:table-row>
</table:table></office:spreadsheet></office:body></office:document-content>"""


@cache
def workbooks() -> dict[str, bytes]:
    """Return workbooks with merged cells, times, dates and formulas, and with texts in their cells and shared."""
    ods = io.BytesIO()
    with zipfile.ZipFile(ods, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(zipfile.ZipInfo("content.xml"), _ODS)
    written = write_xlsx(read_shot_list(_LIST), "written.xlsx")
    own = {"written.xlsx": written, "written.csv": write_csv(read_shot_list(_LIST), "written.csv")}
    return own | {"shared.xlsx": _xlsx(), "rows.xlsx": _xlsx(constant_memory=True), "a.ods": ods.getvalue()}


def _xlsx(**options: Any) -> bytes:  # noqa: ANN401 - options of a workbook
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True} | options) as book:
        book.set_properties({"created": datetime(2026, 1, 1)})  # noqa: DTZ001 - the file has no time zones
        formats = {time: book.add_format({"num_format": "[h]:mm:ss"}), date: book.add_format({"num_format": 14})}
        for name in ("Act 1", "Act 2"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ("The Last Ferry", "#N/A"))
            for row, values in enumerate(_SHOTS, 2):
                for column, value in enumerate(values):
                    sheet.write(row, column, value, formats.get(type(value)))
            sheet.write_rich_string(9, 0, "Fog ", book.add_format({"bold": True}), "rolls in")
            if not options:
                sheet.merge_range(3, 0, 4, 0, 12)
        book.add_worksheet("Old").hide()
    return content.getvalue()


def rows_xlsx(rows: int) -> bytes:
    """Return a workbook with so many shots in ten columns."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        names = (
            "Shot",
            "Scene",
            "Description",
            "Size",
            "Angle",
            "Movement",
            "Dialogue",
            "Location",
            "Duration",
            "Notes",
        )
        sheet.write_row(0, 0, names)
        for row in range(1, rows + 1):
            told = f"Fog rolls over the pier and hides the ferry, {row}"
            sheet.write_row(
                row, 0, (row, row // 9, told, "CU", "low", "dolly in", f"MEI: {row}", "pier", row % 7 + 1.5, "雾")
            )
    return content.getvalue()


@cache
def pictures() -> dict[str, bytes]:
    """Return pictures and videos of all kinds, with the graph that made them."""
    frames = [Image.effect_noise((24, 16), spread).convert("RGB") for spread in (20, 60)]
    texts = {"prompt": graphs()[0], "workflow": {"nodes": [], "links": [], "version": 0.4}}
    return {
        "a.png": media.png(frames[0], texts),
        "moving.png": media.apng(frames, 6, texts),
        "a.webp": media.webp(frames, 6, texts, lossless=True, quality=80),
        "a.mp4": media.mp4(frames, 8, texts),
        **{f"a.{kind}": _saved(frames[0], kind) for kind in ("jpeg", "gif", "tiff", "bmp")},
    }


def _saved(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()
