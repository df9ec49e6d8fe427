"""Check whether the servers can render a plan, before the first prompt is posted; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.check import Checker, Finding
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import class_types
from previs.errors import Fault, PlanRefused
from previs.planning.plan import PlannedTake
from previs.text.visible import visible
from previs.workflow import saving_nodes, unsaved_outputs
from previs.workflow.binding.traversal import title_of

SCHEMA = "previs.check/1"

Classes = Mapping[str, NodeClass | None]
_Group = tuple[tuple[str, ...], tuple[str, ...], bool]

_SHOTS_SHOWN = 2
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """Hold a finding, with the shots that it concerns and the servers that would refuse them.

    Attributes:
        shots: Labels, in the plan's order.
        servers: Names, in the farm's order.
    """

    finding: Finding
    shots: tuple[str, ...]
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Hold the findings on a whole plan and all servers.

    Attributes:
        shots: Number of shots.
        takes: Number of takes.
        servers: Names of the servers that answered.
        unreachable: Sentences that say why the other servers did not, by name.
        blocked: Labels of takes that no server would render.
        errors: Findings on blocked takes, with everything that each server would refuse. One server that has
            everything is enough to render them.
        warnings: Findings that keep some servers, but not all, from rendering a take, and uncertain findings.
    """

    shots: int
    takes: int
    servers: tuple[str, ...]
    unreachable: Mapping[str, str]
    blocked: tuple[str, ...]
    errors: tuple[PlanFinding, ...]
    warnings: tuple[PlanFinding, ...]

    def raise_for_errors(self) -> None:
        """Raise if takes cannot be rendered.

        Raises:
            PlanRefused: There are errors.
        """
        if not self.errors:
            return
        faults = [self._fault(entry) for entry in self.errors[:_MOST_SHOWN]]
        if more := len(self.errors) - _MOST_SHOWN:
            faults += [Fault("the plan", "", "", _more(more))] if more > 0 else []
        faults += [Fault(reason, "", "", "it may have what is missing") for reason in self.unreachable.values()]
        raise PlanRefused(len(self.blocked), tuple(faults))

    def text(self) -> str:
        """Return the findings for people, grouped by shots and servers; at most the first 50."""
        return "\n".join(visible(line) for line in self._lines())

    def as_json(self) -> dict[str, Any]:
        """Return all findings for programs."""
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
        plan = f"{_count(self.shots, 'shot')}, {_count(self.takes, 'take')}"
        if not self.servers:
            yield f"nothing was checked: no server answered ({plan})"
        else:
            counts = f"{_count(len(self.errors), 'error')}, {_count(len(self.warnings), 'warning')}"
            yield f"{plan}, {_count(len(self.servers), 'server')} asked: {counts}"
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
        return f"warning: {_named(shots)} cannot be rendered on {', '.join(servers)}, only on other servers:"


def check_plan(
    takes: Iterable[PlannedTake],
    servers: Mapping[str, Classes],
    packs: Mapping[str, str] | None = None,
    *,
    unreachable: Mapping[str, str] | None = None,
) -> Report:
    """Check every take on every server.

    Args:
        takes: Takes to render.
        servers: Node classes of each server, by its name; None for a class that it does not know.
        packs: Names of custom node packs, by class.
        unreachable: Sentences that say why other servers did not answer, by name.
    """
    takes = tuple(takes)
    used = class_types(take.graph for take in takes)
    groups = _group_servers(servers, used)
    checkers = [Checker(classes, packs) for classes, _ in groups]
    collected, blocked = _Findings(tuple(servers), groups), dict[str, None]()
    for take in takes:
        of_groups = [
            (*checker.findings(take.graph), *_not_saved(take, classes))
            for checker, (classes, _) in zip(checkers, groups, strict=True)
        ]
        is_blocked = bool(of_groups) and all(any(found.certain for found in of_group) for of_group in of_groups)
        if is_blocked:
            blocked[take.label] = None
        collected.add(take, of_groups, blocked=is_blocked)
    return Report(
        shots=len({take.shot.label for take in takes}),
        takes=len(takes),
        servers=tuple(servers),
        unreachable=dict(unreachable or {}),
        blocked=tuple(blocked),
        errors=collected.entries("errors"),
        warnings=collected.entries("warnings"),
    )


def _not_saved(take: PlannedTake, classes: Classes) -> tuple[Finding, ...]:
    """Return why no output of a take can be fetched; nothing if one can, or may."""
    unsaved = unsaved_outputs(take.graph, classes)
    if not unsaved or saving_nodes(take.graph, classes):
        return ()
    return tuple(
        Finding("not_saved", each.node_id, node["class_type"], title_of(node), each.input, each.value, each.remedy)
        for each in unsaved
        for node in [take.graph[each.node_id]]
    )


def _group_servers(servers: Mapping[str, Classes], used: Collection[str]) -> list[tuple[Classes, tuple[str, ...]]]:
    """Group servers that have equal definitions of the used classes; thus each group is checked once."""
    groups: list[tuple[Classes, tuple[str, ...]]] = []
    for name, classes in servers.items():
        needed = {each: classes[each] for each in used if each in classes}
        for index, (known, names) in enumerate(groups):
            if known == needed:
                groups[index] = (known, (*names, name))
                break
        else:
            groups.append((needed, (name,)))
    return groups


@dataclass(slots=True)
class _Findings:
    """Collect findings, one take after the other."""

    servers: tuple[str, ...]
    groups: list[tuple[Classes, tuple[str, ...]]]
    found: dict[str, dict[Finding, dict[int, dict[str, None]]]] = field(
        default_factory=lambda: {"errors": {}, "warnings": {}}
    )

    def add(self, take: PlannedTake, of_groups: list[tuple[Finding, ...]], *, blocked: bool) -> None:
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
            names = {name for group in members for name in self.groups[group][1]}
            yield PlanFinding(finding, shots, tuple(name for name in self.servers if name in names))


def _grouped(entries: Iterable[PlanFinding]) -> Iterator[tuple[_Group, list[Finding]]]:
    """Group findings by shots, servers, and whether they are certain."""
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
    """Return the first shots by name, and the number of the others."""
    more = len(shots) - _SHOTS_SHOWN
    if more <= 1:
        return ", ".join(shots)
    return f"{', '.join(shots[:_SHOTS_SHOWN])} and {more} more"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def _more(number: int) -> str:
    return f"and {_count(number, 'finding')} more: the JSON form has all of them"
