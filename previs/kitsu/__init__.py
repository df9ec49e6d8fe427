"""Publish boards to Kitsu: shots, frame ranges, and pictures as previews. It needs the extra ``previs[kitsu]``."""

try:
    import gazu  # noqa: F401 - its absence is said once for all modules
except ModuleNotFoundError as error:
    if error.name != "gazu":
        raise
    sentence = "Kitsu needs gazu, which is not installed: pip install 'previs[kitsu]'"
    raise ModuleNotFoundError(sentence, name="gazu") from error
