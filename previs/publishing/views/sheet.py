"""Make the contact sheet: a board as markdown, in pages small enough for Prefect's artifacts."""

from collections.abc import Callable, Iterable, Iterator

from previs.publishing.views.addresses import is_picture
from previs.publishing.views.labels import Labels, counted, labels, spelled
from previs.publishing.views.sequences import totals
from previs.publishing.views.strips import FOR_FORM, FOR_PAGE, Layout, PictureOf, Strip, strips
from previs.publishing.views.takes import lacking
from previs.publishing.views.thumbnails import fit, shrunk
from previs.publishing.views.timecode import number, timecode
from previs.publishing.views.wording import inline, moment
from previs.records.manifest import Manifest
from previs.records.takes import Frame

__all__ = ["FOR_FORM", "contact_sheet", "contact_sheets"]

_CLOSING = 400
"""Bytes kept free for the closing lines."""
_INDEX = 6_000
"""Bytes kept free for the list of pages, and for a page's own heading."""
_LARGEST = (320, 70)
"""Width and quality of a picture that was too large for a page."""


def contact_sheet(
    manifest: Manifest,
    *,
    picture: PictureOf,
    note: str | None = None,
    budget: int = 2_000_000,
    layout: Layout = FOR_PAGE,
) -> str:
    """Return markdown with a heading, totals, and the picture and slate of each take; of a picked shot only that take.

    To stay within the budget, pictures are made smaller, then the last ones are left out, then the last shots; a
    closing line says what is missing.

    Args:
        manifest: Manifest of the run.
        picture: Function that returns a ``data:`` URI or public http(s) URL of a frame's picture, or None.
        note: Sentence for the foot of the sheet, such as until when its links work.
        budget: Size limit in bytes of UTF-8; at least 4,000.
        layout: Arrangement of the takes.
    """
    foot = _foot(note)
    budget -= _CLOSING + _size(foot)
    head = _head(manifest, budget)
    fitted, closing = _fitted(strips(manifest, picture, layout), budget - _size(head), labels(manifest.lang))
    return f"{head}{_joined(fitted)}{closing}{foot}"


def contact_sheets(
    manifest: Manifest,
    *,
    picture: PictureOf,
    link: Callable[[int], str],
    note: str | None = None,
    budget: int = 2_000_000,
    page: int = 400_000,
) -> list[str]:
    """Return the contact sheet in pages; the first has the heading and the totals, and says which shots are where.

    Args:
        manifest: Manifest of the run.
        picture: Function that returns a ``data:`` URI or public http(s) URL of a frame's picture, or None.
        link: Function that returns where the page with this number, from 1, is found.
        note: Sentence for the foot of the first page.
        budget: Size limit in bytes of the sheet, as for :func:`contact_sheet`.
        page: Size limit in bytes of each page; at least 20,000.
    """
    foot = _foot(note)
    head = _head(manifest, page - _size(foot))
    bounded = _bounded(picture, page // 8)
    room = budget - _size(head) - _size(foot) - _CLOSING
    fitted, closing = _fitted(strips(manifest, bounded, FOR_PAGE), room, labels(manifest.lang))
    other = page - _INDEX - _CLOSING
    split = _split(fitted, other - _size(head) - _size(foot), other)
    if len(split) == 1:
        return [f"{head}{_joined(fitted)}{closing}{foot}"]
    first, *others = [_joined(part) for part in split]
    heads = [_page_head(manifest, number, len(split), link) for number in range(2, len(split) + 1)]
    pages = [f"{start}{part}" for start, part in zip(heads, others, strict=True)]
    return [f"{head}{_index(split, link, labels(manifest.lang))}{first}{foot}", *pages[:-1], f"{pages[-1]}{closing}"]


def _foot(note: str | None) -> str:
    return f"*{inline(note)}*\n" if note else ""


def _joined(part: Iterable[Strip]) -> str:
    return "".join(strip.markdown() for strip in part)


def _bounded(picture: PictureOf, largest: int) -> PictureOf:
    """Return the function with pictures of more than so many bytes made smaller, or left out."""

    def bounded(frame: Frame) -> str | None:
        found = picture(frame)
        if found and len(found) > largest:
            found = shrunk(found, *_LARGEST) if is_picture(found) else None
        return found if found and len(found) <= largest else None

    return bounded


def _split(fitted: list[Strip], first: int, other: int) -> list[list[Strip]]:
    """Return the strips in pages, the first of at most ``first`` bytes and each other of at most ``other``."""
    pages: list[list[Strip]] = [[]]
    room = first
    for strip in fitted:
        size = _size(strip.markdown())
        if size > room and pages[-1]:
            pages.append([])
            room = other
        placed = strip.at_the_top() if not pages[-1] else strip
        pages[-1].append(placed)
        room -= _size(placed.markdown())
    return pages


def _index(split: list[list[Strip]], link: Callable[[int], str], label: Labels) -> str:
    """Return the list of pages, each with its first and its last shot."""
    rows = ""
    for at, part in enumerate(split, 1):
        page = f"[{label('Page {number}', number=at)}]({link(at)})" if at > 1 else label("This page")
        ends = {"first": inline(part[0].cells[0].shot, 40), "last": inline(part[-1].cells[-1].shot, 40)}
        rows += f"- {page}: {label('{first} to {last}', **ends)}\n"
    return f"{label('{count} pages:', count=len(split))}\n\n{rows}\n"


def _page_head(manifest: Manifest, number: int, pages: int, link: Callable[[int], str]) -> str:
    others = [f"**{each}**" if each == number else f"[{each}]({link(each)})" for each in range(1, pages + 1)]
    label = labels(manifest.lang)
    page = label("page {number} of {pages}", number=number, pages=pages)
    title = f"{inline(manifest.title or manifest.board, 120)} · {page}"
    return f"# {title}\n\n{_ran(manifest)} · {label('pages')} {' '.join(others)}\n\n"


def _size(text: str) -> int:
    return len(text.encode())


def _fitted(all_strips: Iterable[Strip], room: int, label: Labels) -> tuple[list[Strip], str]:
    """Return the strips that fit, with the pictures that fit, and the closing lines that say what is missing."""
    listed = list(all_strips)
    kept = list(_fitting(listed, room))
    room -= sum(_size(strip.without_pictures().markdown()) for strip in kept)
    fitted, left_out = _with_fitting_pictures(kept, room)
    takes = sum(len(strip.cells) for strip in listed[len(kept) :])
    return fitted, _closing(left_out, len(listed) - len(kept), takes, label)


def _fitting(strips: list[Strip], room: int) -> Iterator[Strip]:
    for strip in strips:
        room -= _size(strip.without_pictures().markdown())
        if room < 0:
            return
        yield strip


def _with_fitting_pictures(strips: list[Strip], room: int) -> tuple[list[Strip], int]:
    """Return the strips with the pictures that fit, and the number of pictures left out."""
    cells = [each for strip in strips for each in strip.cells]
    pictures = [each.picture for each in cells]
    fitted = fit(pictures, room - sum(each.markup() for each in cells))
    rest = iter(fitted)
    shown = [strip.with_pictures([next(rest) for _ in strip.cells]) for strip in strips]
    return shown, sum(1 for before, after in zip(pictures, fitted, strict=True) if before and not after)


def _closing(pictures: int, strips: int, takes: int, label: Labels) -> str:
    lines = []
    if pictures:
        rest = " left out to keep this sheet small: the board's page shows them all."
        lines.append(counted(label, pictures, "picture", rest))
    if strips:
        lines.append(counted(label, takes, "more take", " on the board's page."))
    return "".join(f"*{line}*\n\n" for line in lines)


def _head(manifest: Manifest, room: int) -> str:
    count, label = totals(manifest), labels(manifest.lang)
    rate = label("{length} at {fps} fps", length=spelled(label, manifest.duration), fps=number(manifest.fps))
    length = f"{timecode(count.frames, manifest.fps)} ({rate})"
    shown = {"rendered": count.rendered, "joined": count.joined, "cached": count.cached}
    shown |= {"failed": count.failed, "skipped": count.skipped, "marked by QC": count.marked}
    always = ("rendered", "cached", "failed")
    counts = " · ".join(f"{each} {label(name)}" for name, each in shown.items() if each or name in always)
    head = (
        f"# {inline(manifest.title or manifest.board, 120)}\n\n"
        f"**{counted(label, count.shots, 'shot')}** · {length} · {counts}\n\n{_ran(manifest)}\n\n"
    )
    return head + _remarks(manifest, (room - _size(head)) // 2)


def _ran(manifest: Manifest) -> str:
    label = labels(manifest.lang)
    board = f"{label('Board')} {inline(manifest.board, 80)}"
    return f"{board} · {label('run')} {inline(manifest.run, 80)} · {moment(manifest.finished)}"


def _remarks(manifest: Manifest, room: int) -> str:
    """Return the list of problems, cut to ``room`` bytes."""
    label = labels(manifest.lang)
    states = {"failed": "Shot {shot} lacks a frame.", "skipped": "Shot {shot} was skipped."}
    named = ((states[lacking(shot)], f"**{inline(str(shot.shot_id), 60)}**") for shot in manifest.failed)
    remarks = [f"- {label(state, shot=shot)}\n" for state, shot in named]
    remarks += [f"- {inline(problem)}\n" for problem in manifest.problems]
    listed = ""
    for place, remark in enumerate(remarks):
        if _size(listed) + _size(remark) + _CLOSING // 2 > room:
            return f"{listed}- {label('and {count} more', count=len(remarks) - place)}\n\n"
        listed += remark
    return f"{listed}\n" if listed else ""
