"""Hand a board over to editing programs as a timeline, and read an editor's cut back.

``cut`` makes the timeline, ``files`` writes and reads it in five formats, ``conform`` finds a board's shots in a cut.
It needs the extra ``previs[timeline]``.
"""

from importlib import import_module

_EXTRA = (
    "opentimelineio",
    "otio_cmx3600_adapter",
    "otio_fcp_adapter",
    "otio_fcpx_xml_adapter",
    "otio_aaf_adapter",
    "aaf2",
)

try:
    for each in _EXTRA:
        import_module(each)
except ModuleNotFoundError as error:
    missing = str(error.name).partition(".")[0]
    if missing not in _EXTRA:
        raise
    sentence = f"Timelines need {missing}, which is not installed: pip install 'previs[timeline]'"
    raise ModuleNotFoundError(sentence, name=missing) from error
