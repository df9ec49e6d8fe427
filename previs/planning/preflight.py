"""What stands in a plan's way on the servers that there are, before the first prompt is posted; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.check import Checker, Finding
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import class_types
from previs.errors import Fault, PlanRefused
from previs.planning.plan import PlannedTake

SCHEMA = "previs.check/1"

Classes = Mapping[str, NodeClass | None]
_Group = tuple[tuple[str, ...], tuple[str, ...], bool]

_SHOTS_SHOWN = 2
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """A finding, with the shots that it holds for and the servers that would refuse them for it.

    Attributes:
        shots: labels, in the plan's order.
        servers: names, in the farm's order.
    """

    finding: Finding
    shots: tuple[str, ...]
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of a whole plan on all servers.

    Attributes:
        shots: how many there are.
        takes: likewise.
        servers: names of those that could be asked.
        unreachable: by name why others could not be, in a sentence.
        blocked: labels of takes that no server would render.
        errors: what keeps those from being rendered. Each server is told with all that it would refuse; it is enough
            that one server has everything.
        warnings: what keeps some servers from rendering a take that others can render, and what may.
    """

    shots: int
    takes: int
    servers: tuple[str, ...]
    unreachable: Mapping[str, str]
    blocked: tuple[str, ...]
    errors: tuple[PlanFinding, ...]
    warnings: tuple[PlanFinding, ...]

    def raise_for_errors(self) -> None:
        """Stop a run that could not make every take.

        Raises:
            PlanRefused: there are errors.
        """
        if not self.errors:
            return
        faults = [self._fault(entry) for entry in self.errors[:_MOST_SHOWN]]
        if more := len(self.errors) - _MOST_SHOWN:
            faults += [Fault("the plan", "", "", _more(more))] if more > 0 else []
        faults += [Fault(reason, "", "", "what is missing may be there") for reason in self.unreachable.values()]
        raise PlanRefused(len(self.blocked), tuple(faults))

    def text(self) -> str:
        """For people: everything that was found, grouped by shots and servers; of very much, the first part."""
        return "\n".join(_printable(line) for line in self._lines())

    def as_json(self) -> dict[str, Any]:
        """For programs: everything that was found."""
        return {
            "schema": SCHEMA,
            "renderable": bool(self.servers) and not self.errors,
            "shots": self.shots,
            "takes": self.takes,
            "servers": list(self.servers),
            "unreachable": dict(self.unreachable),
            "blocked": list(self.blocked),
            "errors": [_entry_as_json(entry) for entry in self.errors],
            "warnings": [_entry_as_json(entry) for entry in self.warnings],
        }

    def _fault(self, entry: PlanFinding) -> Fault:
        fault = entry.finding.fault
        where = "" if entry.servers == self.servers else f" (on {', '.join(entry.servers)})"
        return Fault(f"{_named(entry.shots)}, {fault.place}", fault.field, fault.value, fault.remedy + where)

    def _lines(self) -> Iterator[str]:
        yield (
            f"{_count(self.shots, 'shot')}, {_count(self.takes, 'take')}, {_count(len(self.servers), 'server')} asked: "
            f"{_count(len(self.errors), 'error')}, {_count(len(self.warnings), 'warning')}"
        )
        yield from (f"{'warning' if self.servers else 'error'}: {reason}" for reason in self.unreachable.values())
        left = _MOST_SHOWN
        for level, entries in (("error", self.errors), ("warning", self.warnings)):
            for (shots, servers, certain), found in _grouped(entries[:left]):
                yield self._heading(level if certain else "doubt", shots, servers)
                yield from (f"  - {finding.fault}" for finding in found)
            left = max(left - len(entries), 0)
        if (more := len(self.errors) + len(self.warnings) - _MOST_SHOWN) > 0:
            yield _more(more)

    def _heading(self, level: str, shots: tuple[str, ...], servers: tuple[str, ...]) -> str:
        if level == "error":
            where = "all servers" if servers == self.servers else ", ".join(servers)
            return f"error: no server can render {_named(shots)}; on {where}:"
        if level == "doubt":
            return f"warning: {', '.join(servers)} may refuse {_named(shots)}:"
        return f"warning: {_named(shots)} cannot be rendered on {', '.join(servers)}, and will be on others:"


def check_plan(
    takes: Iterable[PlannedTake],
    servers: Mapping[str, Classes],
    packs: Mapping[str, str] | None = None,
    *,
    unreachable: Mapping[str, str] | None = None,
) -> Report:
    """Judge every take on every server.

    Args:
        takes: those that are to be rendered.
        servers: by name, what each tells of the takes' node classes; none for a class that it does not know.
        packs: names of custom node packs, by class.
        unreachable: by name why other servers could not be asked, in a sentence.
    """
    takes = tuple(takes)
    used = class_types(take.graph for take in takes)
    alike = _alike(servers, used)
    checkers = [Checker(classes, packs) for classes, _ in alike]
    told, blocked = _Told(tuple(servers), alike), dict[str, None]()
    for take in takes:
        of_groups = [checker.findings(take.graph) for checker in checkers]
        is_blocked = bool(of_groups) and all(any(found.certain for found in of_group) for of_group in of_groups)
        if is_blocked:
            blocked[take.label] = None
        told.take(take, of_groups, blocked=is_blocked)
    return Report(
        shots=len({take.shot.label for take in takes}),
        takes=len(takes),
        servers=tuple(servers),
        unreachable=dict(unreachable or {}),
        blocked=tuple(blocked),
        errors=told.entries("errors"),
        warnings=told.entries("warnings"),
    )


def _alike(servers: Mapping[str, Classes], used: Collection[str]) -> list[tuple[Classes, tuple[str, ...]]]:
    """Servers that have the same of what is used, together."""
    alike: list[tuple[Classes, tuple[str, ...]]] = []
    for name, classes in servers.items():
        needed = {each: classes[each] for each in used if each in classes}
        for place, (known, names) in enumerate(alike):
            if known == needed:
                alike[place] = (known, (*names, name))
                break
        else:
            alike.append((needed, (name,)))
    return alike


@dataclass(slots=True)
class _Told:
    """Findings as they come, a take after the other."""

    servers: tuple[str, ...]
    alike: list[tuple[Classes, tuple[str, ...]]]
    found: dict[str, dict[Finding, dict[int, dict[str, None]]]] = field(
        default_factory=lambda: {"errors": {}, "warnings": {}}
    )

    def take(self, take: PlannedTake, of_groups: list[tuple[Finding, ...]], *, blocked: bool) -> None:
        for group, of_group in enumerate(of_groups):
            for finding in of_group:
                level = "errors" if blocked and finding.certain else "warnings"
                shots = self.found[level].setdefault(finding, {}).setdefault(group, {})
                shots[take.shot.label] = None

    def entries(self, level: str) -> tuple[PlanFinding, ...]:
        return tuple(entry for finding, groups in self.found[level].items() for entry in self._of(finding, groups))

    def _of(self, finding: Finding, groups: Mapping[int, Mapping[str, None]]) -> Iterator[PlanFinding]:
        by_shots: dict[tuple[str, ...], list[int]] = {}
        for group, labels in groups.items():
            by_shots.setdefault(tuple(labels), []).append(group)
        for shots, members in by_shots.items():
            names = {name for group in members for name in self.alike[group][1]}
            yield PlanFinding(finding, shots, tuple(name for name in self.servers if name in names))


def _grouped(entries: Iterable[PlanFinding]) -> Iterator[tuple[_Group, list[Finding]]]:
    """By shots, servers, and whether the servers are sure to refuse."""
    groups: dict[_Group, list[Finding]] = {}
    for entry in entries:
        groups.setdefault((entry.shots, entry.servers, entry.finding.certain), []).append(entry.finding)
    yield from groups.items()


def _entry_as_json(entry: PlanFinding) -> dict[str, Any]:
    finding = entry.finding
    return {
        "kind": finding.kind,
        "node_id": finding.node_id,
        "class_type": finding.class_type,
        "title": finding.title,
        "input": finding.input,
        "value": finding.value,
        "remedy": finding.remedy,
        "certain": finding.certain,
        "shots": list(entry.shots),
        "servers": list(entry.servers),
    }


def _named(shots: tuple[str, ...]) -> str:
    """The first shots by name, and how many more."""
    more = len(shots) - _SHOTS_SHOWN
    if more <= 1:
        return ", ".join(shots)
    return f"{', '.join(shots[:_SHOTS_SHOWN])} and {more} more"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def _more(number: int) -> str:
    return f"and {_count(number, 'finding')} more: the JSON form has all of them"


def _printable(line: str) -> str:
    """A line that does nothing to a terminal but write on it; titles and names in it are strangers' words."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)
