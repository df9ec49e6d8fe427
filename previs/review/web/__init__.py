"""Serve boards and their review to browsers. It needs the extra ``previs[serve]``."""

_EXTRA = ("starlette", "uvicorn", "python_multipart")

try:
    from previs.review.web.app import make_app
    from previs.review.web.serving import serve
    from previs.review.web.settings import ServeSettings
except ModuleNotFoundError as error:
    missing = str(error.name).partition(".")[0]
    if missing not in _EXTRA:
        raise
    sentence = f"The review pages need {missing}, which is not installed: pip install 'previs[serve]'"
    raise ModuleNotFoundError(sentence, name=missing) from error

__all__ = ["ServeSettings", "make_app", "serve"]
