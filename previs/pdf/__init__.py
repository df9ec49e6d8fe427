"""Write a board as PDF: panels with pictures and texts, for people who print. It needs the extra ``previs[pdf]``."""

_EXTRA = ("fpdf", "fontTools", "defusedxml")

try:
    from previs.pdf.make import Made, Settings, make
except ModuleNotFoundError as error:
    missing = str(error.name).partition(".")[0]
    if missing not in _EXTRA:
        raise
    sentence = f"PDF needs {missing}, which is not installed: pip install 'previs[pdf]'"
    raise ModuleNotFoundError(sentence, name=missing) from error

__all__ = ["Made", "Settings", "make"]
