"""Build files as ComfyUI's editor saves them."""

from dataclasses import dataclass, field
from typing import Any

Origin = tuple[Any, int]


@dataclass
class Drawing:
    """Build a file: inputs are (name, type, link's origin), and widgets names those that are fields."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    links: list[list[Any]] = field(default_factory=list)
    subgraphs: list[dict[str, Any]] = field(default_factory=list)

    def node(
        self,
        identity: Any,
        kind: str,
        values: Any = None,
        inputs: tuple[tuple[str, str, Origin | None], ...] = (),
        outputs: str = "",
        widgets: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        sockets = []
        for index, (name, sort, origin) in enumerate(inputs):
            socket: dict[str, Any] = {"name": name, "type": sort, "link": None}
            if origin is not None:
                socket["link"] = len(self.links) + 1
                self.links.append([socket["link"], *origin, identity, index, sort])
            if name in widgets:
                socket["widget"] = {"name": name}
            sockets.append(socket)
        node = {"id": identity, "type": kind, "mode": 0, "inputs": sockets, "properties": {}, **more}
        node["outputs"] = [{"name": sort, "type": sort, "links": []} for sort in outputs.split()]
        if values is not None:
            node["widgets_values"] = values
        self.nodes.append(node)

    def file(self) -> dict[str, Any]:
        return {
            "last_node_id": 99,
            "last_link_id": len(self.links),
            "nodes": self.nodes,
            "links": self.links,
            "groups": [{"title": "a group", "bounding": [0, 0, 1, 1]}],
            "definitions": {"subgraphs": self.subgraphs},
            "version": 0.4,
        }

    def as_subgraph(
        self, identity: str, inputs: tuple[tuple[str, str], ...], outputs: tuple[tuple[str, str, Origin], ...]
    ) -> dict[str, Any]:
        """Return the drawing as a subgraph; inner links from -10 come from its inputs."""
        ends = [
            [len(self.links) + count, *origin, -20, count - 1, sort]
            for count, (_, sort, origin) in enumerate(outputs, start=1)
        ]
        links = [
            dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot", "type"), link, strict=True))
            for link in (*self.links, *ends)
        ]
        return {
            "id": identity,
            "name": identity,
            "inputNode": {"id": -10},
            "outputNode": {"id": -20},
            "inputs": [
                {
                    "id": f"in-{slot}",
                    "name": name,
                    "type": sort,
                    "linkIds": [
                        link["id"] for link in links if link["origin_id"] == -10 and link["origin_slot"] == slot
                    ],
                }
                for slot, (name, sort) in enumerate(inputs)
            ],
            "outputs": [
                {"id": f"out-{end[0]}", "name": name, "type": sort, "linkIds": [end[0]]}
                for (name, sort, _), end in zip(outputs, ends, strict=True)
            ],
            "nodes": self.nodes,
            "links": links,
        }
