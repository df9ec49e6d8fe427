"""List the editor's virtual nodes, which no server runs."""

REROUTES = frozenset({"Reroute", "Reroute (rgthree)"})
PRIMITIVE = "PrimitiveNode"
# Links by name, of KJNodes and Easy-Use: a getter returns the input of the setter of the same name.
SETTERS = frozenset({"SetNode", "easy setNode"})
GETTERS = frozenset({"GetNode", "easy getNode"})
_NOTES = frozenset({"Note", "MarkdownNote", "Note Plus (mtb)"})
# Switches and labels of rgthree-comfy that exist only in the editor.
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
# Nodes of Use Everywhere: the editor links their inputs to other nodes when it queues.
BROADCASTS = frozenset(
    {"Anything Everywhere", "Anything Everywhere3", "Anything Everywhere?", "Prompts Everywhere", "Seed Everywhere"}
)
VIRTUAL = REROUTES | SETTERS | GETTERS | _NOTES | _CONTROL_PANELS | {PRIMITIVE}
