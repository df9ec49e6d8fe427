"""Write notices for people: a board is finished, shots failed, or a run ended without a board; pure."""

from dataclasses import dataclass
from html import escape
from typing import Final, Literal, get_args

from previs.publishing.views.labels import Labels, counted, language_of
from previs.publishing.views.takes import lacking, reason
from previs.publishing.views.wording import one_line, shorten
from previs.records.manifest import Manifest, ShotEntry

NoticeEvent = Literal["board.ready", "shots.failed", "run.failed"]
NoticeLanguage = Literal["board", "en", "zh"]
Level = Literal["info", "success", "warning", "failure"]
NOTICE_EVENTS: Final[tuple[NoticeEvent, ...]] = get_args(NoticeEvent)

_REASONS: Final = 5
_NAMES: Final = 10
_LONGEST_NAME: Final = 40
_LONGEST_TITLE: Final = 120
_LONGEST_REASON: Final = 140
_LONGEST_ERROR: Final = 700
# Chat services mention people after @, and make links, commands and markup of the others.
_TWINS: Final = str.maketrans("@<>[]`*|", "＠＜＞［］｀＊｜")
_CHINESE: Final = {
    "{title}, run {number}: {what}": "{title}，第 {number} 次运行：{what}",
    "{title}: {what}": "{title}：{what}",
    "the board is ready": "故事板已完成",
    "1 shot failed": "1 个镜头失败",
    "{count} shots failed": "{count} 个镜头失败",
    "the run ended without a board": "运行结束，没有生成故事板",
    "this is a test": "这是测试通知",
    "Notices of finished boards and failed shots arrive here.": "完成的故事板和失败的镜头会在这里通知。",
    "1 shot": "1 个镜头",
    "{count} shots": "{count} 个镜头",
    "{made} made, {failed} failed": "{made} 个完成，{failed} 个失败",
    "Board: {address}": "故事板：{address}",
    "Run: {address}": "运行：{address}",
    "Failed:": "失败：",
    "skipped, because a shot that it builds on has no frame": "已跳过，因为所依据的镜头没有画面",
    "other reasons": "其他原因",
    " and {count} more": " 等，还有 {count} 个",
    "{counts}: {parts}": "{counts}：{parts}",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Hold a message to people, as plain text.

    Attributes:
        picture: Contact picture as JPEG; None without one.
        links: URLs with which lines of the body end.
    """

    event: NoticeEvent
    level: Level
    title: str
    body: str
    picture: bytes | None = None
    links: tuple[str, ...] = ()

    @property
    def html(self) -> str:
        """Return the body as HTML with links, for mail: programs make none of addresses in HTML."""
        return "<br/>".join(self._as_html(line) for line in self.body.splitlines())

    def _as_html(self, line: str) -> str:
        link = next((each for each in self.links if line.endswith(each)), None)
        if link is None:
            return escape(line)
        return f'{escape(line.removesuffix(link))}<a href="{escape(link)}">{escape(link)}</a>'


@dataclass(frozen=True, slots=True)
class Addresses:
    """Hold where people can look; empty texts are left out.

    Attributes:
        board: URL or path of the board's page.
        run: URL of the run in Prefect.
    """

    board: str = ""
    run: str = ""

    @property
    def links(self) -> tuple[str, ...]:
        """Return those that a browser opens."""
        return tuple(each for each in (self.board, self.run) if each.startswith(("http://", "https://")))


def words(language: str) -> Labels:
    """Return the words of notices in a language, ``en`` or ``zh``."""
    known = _CHINESE if language == "zh" else {}

    def label(english: str, **values: object) -> str:
        return known.get(english, english).format(**values)

    return label


def board_event(manifest: Manifest) -> NoticeEvent:
    """Return which notice a published board gets: one alone, however many shots failed."""
    return "shots.failed" if manifest.failed else "board.ready"


def board_notice(
    manifest: Manifest, addresses: Addresses, language: NoticeLanguage = "board", picture: bytes | None = None
) -> Notice:
    """Return the notice of a published board.

    Args:
        manifest: Record of the run.
        addresses: Where people can look.
        language: Language of the notice, or that of the board.
        picture: Contact picture as JPEG.
    """
    label = words(manifest.lang if language == "board" else language)
    failed = manifest.failed
    what = counted(label, len(failed), "shot", " failed") if failed else label("the board is ready")
    counts = counted(label, len(manifest.shots), "shot")
    if failed:
        made = len(manifest.shots) - len(failed)
        parts = label("{made} made, {failed} failed", made=made, failed=len(failed))
        counts = label("{counts}: {parts}", counts=counts, parts=parts)
    lines = [counts, *_where(addresses, label), *_failures(failed, label)]
    return Notice(
        event=board_event(manifest),
        level="warning" if failed else "success",
        title=_title(manifest.title or manifest.board, what, label, manifest.number),
        body="\n".join(lines),
        picture=picture,
        links=addresses.links,
    )


def failure_notice(name: str, error: str, addresses: Addresses, language: NoticeLanguage = "board") -> Notice:
    """Return the notice of a run that ended without a board.

    Args:
        name: Name of the board, or of the list's file.
        error: Why it ended.
        addresses: Where people can look.
        language: Language of the notice, or that of the name.
    """
    label = words(language_of([name]) if language == "board" else language)
    told = "\n".join(_plain(line, _LONGEST_ERROR) for line in shorten(error, _LONGEST_ERROR).splitlines())
    title = _title(name, label("the run ended without a board"), label)
    body = "\n".join([told, *_where(addresses, label)])
    return Notice("run.failed", "failure", title, body, links=addresses.links)


def sample_notice(language: NoticeLanguage = "board", picture: bytes | None = None) -> Notice:
    """Return a notice with which somebody finds out whether notices arrive."""
    label = words(language)
    body = label("Notices of finished boards and failed shots arrive here.")
    return Notice("board.ready", "info", _title("previs", label("this is a test"), label), body, picture)


def _title(name: str, what: str, label: Labels, number: int | None = None) -> str:
    shown = _plain(name, _LONGEST_TITLE) or "previs"
    if number is None:
        return label("{title}: {what}", title=shown, what=what)
    return label("{title}, run {number}: {what}", title=shown, number=number, what=what)


def _where(addresses: Addresses, label: Labels) -> list[str]:
    lines = [label("Board: {address}", address=addresses.board)] if addresses.board else []
    return [*lines, *([label("Run: {address}", address=addresses.run)] if addresses.run else [])]


def _failures(failed: tuple[ShotEntry, ...], label: Labels) -> list[str]:
    """Return a line for each reason, with the shots that have it; those of most shots come first."""
    by_reason: dict[str, list[str]] = {}
    for shot in failed:
        by_reason.setdefault(_reason(shot, label), []).append(_name(shot))
    groups = sorted(by_reason.items(), key=lambda group: -len(group[1]))
    lines = [f"- {_names(names, label)}: {why}" for why, names in groups[:_REASONS]]
    if others := [name for _, names in groups[_REASONS:] for name in names]:
        lines.append(f"- {_names(others, label)}: {label('other reasons')}")
    return [label("Failed:"), *lines] if lines else []


def _names(names: list[str], label: Labels) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (label(" and {count} more", count=more) if more > 0 else "")


def _reason(shot: ShotEntry, label: Labels) -> str:
    if lacking(shot) == "skipped":
        return label("skipped, because a shot that it builds on has no frame")
    return _plain(next((each for each in map(reason, shot.renders) if each), ""), _LONGEST_REASON)


def _name(shot: ShotEntry) -> str:
    return _plain(str(shot.shot_id), _LONGEST_NAME)


def _plain(text: str, most: int) -> str:
    """Return untrusted text on one line, in which no service finds a mention, a link with another name, or markup."""
    return shorten(one_line(text), most).translate(_TWINS)
