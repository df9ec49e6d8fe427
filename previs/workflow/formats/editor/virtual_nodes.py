"""Telling the editor's files from graphs in API format, and the editor's own nodes from the servers'."""

REROUTES = frozenset({"Reroute", "Reroute (rgthree)"})
PRIMITIVE = "PrimitiveNode"
# Wires without a line, of KJNodes and Easy-Use: a getter gives what goes into the setter of the same name.
SETTERS = frozenset({"SetNode", "easy setNode"})
GETTERS = frozenset({"GetNode", "easy getNode"})
_NOTES = frozenset({"Note", "MarkdownNote", "Note Plus (mtb)"})
# Switches and signs of rgthree-comfy that live in the editor alone.
_CONTROL_PANELS = frozenset(
    f"{name} (rgthree)"
    for name in (
        "Bookmark",
        "Label",
        "Fast Muter",
        "Fast Bypasser",
        "Fast Groups Muter",
        "Fast Groups Bypasser",
        "Fast Actions Button",
        "Mute / Bypass Relay",
        "Mute / Bypass Repeater",
        "Node Collector",
        "Random Unmuter",
    )
)
# Nodes of Use Everywhere: the editor links what goes into them to others at the moment when it queues.
BROADCASTS = frozenset(
    {"Anything Everywhere", "Anything Everywhere3", "Anything Everywhere?", "Prompts Everywhere", "Seed Everywhere"}
)
VIRTUAL = REROUTES | SETTERS | GETTERS | _NOTES | _CONTROL_PANELS | {PRIMITIVE}
