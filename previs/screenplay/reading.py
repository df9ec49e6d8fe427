"""Read a screenplay in Fountain or of Final Draft."""

from collections.abc import Iterator, Sequence

from previs.comfyui.protocol.documents import describe_document
from previs.errors import Fault, ShotListFaults
from previs.screenplay.fdx import is_xml, read_paragraphs
from previs.screenplay.final_draft import scenes_of, title_page_of
from previs.screenplay.fountain import read_fountain
from previs.screenplay.models import Scene, Screenplay

_NO_SCENE = (
    "there is no scene: a scene begins with a heading such as INT. HARBOUR - NIGHT, or a line that starts with a dot; "
    "in Final Draft with a paragraph of the type Scene Heading"
)


def read_screenplay(content: bytes, name: str) -> Screenplay:
    """Read a Final Draft file (.fdx), or Fountain in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Raises:
        ShotListFaults: The script has faults; every fault is reported with its line.
    """
    faults: list[Fault] = []
    if is_xml(content):
        paragraphs = read_paragraphs(content, name)
        page = title_page_of(each for each in paragraphs if each.kind == "Title Page")
        scenes = tuple(scenes_of([each for each in paragraphs if each.kind != "Title Page"], faults))
    else:
        page, scenes, faults = read_fountain(content, name)
    faults += [*page.faults, *_repeated_numbers(scenes)]
    if not any(scene.heading for scene in scenes):
        # Without a scene nothing shows that this is a script, so nothing of it is quoted.
        faults = [Fault("the script", "", describe_document(content), _NO_SCENE)]
    if faults:
        raise ShotListFaults(name, tuple(sorted(faults, key=_line_of)))
    return Screenplay(name, page.title, scenes, page.style, page.fps)


def _line_of(fault: Fault) -> int:
    number = fault.place.removeprefix("line ")
    return int(number) if number.isdecimal() else 0


def _repeated_numbers(scenes: Sequence[Scene]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for scene in scenes:
        if scene.number and (line := first.setdefault(scene.number, scene.line)) != scene.line:
            remedy = f"line {line} has the same: each scene needs its own"
            yield Fault(f"line {scene.line}", "scene number", scene.number, remedy)
