"""Read the formats in which people save workflows.

``parsing`` reads bounded JSON, ``unsupported`` recognizes files that are not workflows, ``validation`` checks graphs in
API format, and ``editor`` converts files of ComfyUI's editor.
"""
