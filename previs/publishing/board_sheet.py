"""Make the sheet of a board: its shots as a list that can be edited and run again, and what became of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

from previs.publishing.views.marks import in_words
from previs.publishing.views.takes import reason
from previs.publishing.views.thumbnails import flat
from previs.publishing.views.wording import plural
from previs.records.manifest import Manifest, ShotEntry, TakeEntry, representative
from previs.shots import ShotList, read_shot_list
from previs.shots.exact_rows import BOARD, PICK, PICKED, REPORTS
from previs.shots.to_sheet import write_xlsx
from previs.shots.to_xlsx import PICTURE, Beside, Picture
from previs.store.addresses import kind_of

_MOST_BYTES: Final = 30_000_000  # of all pictures: a list of more than 50 MB is not read
# Boards of at most so many shots have pictures of so many pixels in width.
_WIDTHS: Final = ((1_000, 384), (4_000, 192), (100_000, 96))
_QUALITY: Final = 80
_COLUMNS: Final = tuple(f"{REPORTS}{name}" for name in ("take", "state", "takes", "seed", "frame", "error", "qc"))


def board_sheet(manifest: Manifest, picks: Mapping[str, int], name: str) -> tuple[bytes, list[str]]:
    """Return the workbook of a run, and sentences on what it lacks.

    Args:
        manifest: Manifest of the run.
        picks: Numbers of the picked takes, by shot_id as text.
        name: Name of the workbook in faults.

    Raises:
        ShotListFaults: The shots of the manifest are no list for this version, or do not fit into a sheet.
    """
    shot_list, notices = shots_of(manifest, name)
    picked = [picks.get(str(entry.shot_id)) for entry in manifest.shots]
    shown = [
        representative(entry.takes, entry.passes, take) for entry, take in zip(manifest.shots, picked, strict=True)
    ]
    pictures = list(_pictures(manifest.shots, shown))
    beside = Beside(
        columns=(PICTURE, PICK, PICKED, *_COLUMNS),
        rows=list(map(_row, manifest.shots, shown, picked)),
        pictures=pictures,
        fields={BOARD: manifest.board, f"{REPORTS}run": manifest.run, f"{REPORTS}finished": str(manifest.finished)},
    )
    if left_out := sum(_thumbnail(take) is not None for take in shown) - sum(map(bool, pictures)):
        notices.append(f"{plural(left_out, 'picture')} left out: damaged, or above 30 MB in all")
    return write_xlsx(shot_list, name, beside), notices


def shots_of(manifest: Manifest, name: str) -> tuple[ShotList, list[str]]:
    """Return the shots of a run as the list of which they were made, and sentences on what differs from it.

    Raises:
        ShotListFaults: The shots of the manifest are no list for this version.
    """
    values = dict(manifest.shot_list) | {"title": manifest.title, "fps": manifest.fps}
    if manifest.prompt_template is not None:
        values["prompt_template"] = manifest.prompt_template
    shots = [{**_base(entry), **entry.shot} for entry in manifest.shots]
    made = read_shot_list(values | {"shots": shots}, name=name)
    notices = []
    # What a look file adds is not known here; the sheet names the file, as the list did.
    pairs = () if made.look else zip(made.shots, manifest.shots, shots, strict=True)
    if other := [(shot, entry.prompt) for worded, entry, shot in pairs if worded.prompt != entry.prompt]:
        for shot, prompt in other:
            shot["prompt"] = prompt
        made = read_shot_list(values | {"shots": shots}, name=name)
        notices.append(f"{plural(len(other), 'prompt')} as rendered: this run did not record the list's template")
    urls = [reference.url for shot in made.shots for reference in shot.references]
    if any(kind_of(name) == "path" for name in (*urls, *made.look)):
        notices.append("its files are relative to the folder of the list that was run: put the sheet there to run it")
    if any("?…" in url for url in urls):
        notices.append(
            "references that were signed URLs have lost their signatures, as in the manifest: give them again"
        )
    return made, notices


def _base(entry: ShotEntry) -> dict[str, Any]:
    """Return the fields of a shot that a manifest has beside the shot as given."""
    return {"shot_id": entry.shot_id, "duration": entry.duration} | ({} if entry.shot else {"prompt": entry.prompt})


def _row(entry: ShotEntry, take: TakeEntry | None, picked: int | None) -> dict[str, str]:
    made = Counter(each.outcome for each in entry.renders)
    reasons = (f"{each.pass_name or f'take {each.take}'}: {why}" for each in entry.renders if (why := reason(each)))
    cells = (
        str(take.take) if take else "",
        "complete" if entry.success else "incomplete",
        ", ".join(f"{count} {outcome}" for outcome, count in made.items()),
        str(take.seed) if take and take.seed is not None else "",
        (take.image_url or "") if take else "",
        "\n".join(reasons),
        ", ".join(in_words(take.marks)) if take else "",
    )
    pick = "" if picked is None else str(picked)
    return {PICK: pick, PICKED: pick} | dict(zip(_COLUMNS, cells, strict=True))


def _thumbnail(take: TakeEntry | None) -> str | None:
    frames = take.frames if take else ()
    return next((frame.thumbnail for frame in frames if frame.thumbnail), None)


def _pictures(entries: Sequence[ShotEntry], shown: Sequence[TakeEntry | None]) -> Iterator[Picture | None]:
    """Yield the picture of each shot, until they have too many bytes in all."""
    width = next((width for most, width in _WIDTHS if len(entries) <= most), _WIDTHS[-1][1])
    room = _MOST_BYTES
    for entry, take in zip(entries, shown, strict=True):
        thumbnail = _thumbnail(take) if room > 0 else None
        image = flat(thumbnail) if thumbnail else None
        if image is None or take is None:
            yield None
            continue
        image.thumbnail((width, width))
        jpeg = BytesIO()
        image.save(jpeg, "JPEG", quality=_QUALITY)
        room -= len(jpeg.getvalue())
        yield Picture(jpeg.getvalue(), *image.size, f"shot {entry.shot_id}, take {take.take}") if room > 0 else None
