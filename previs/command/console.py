"""Print tables and colours; no character of a text reaches the terminal that controls it."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from previs.text.visible import visible


class VisibleConsole(Console):
    """Print with colours; of the text itself, no character reaches the terminal that controls it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render an object into segments whose text is visible."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text, lines=True), style, control)


def console(*, stderr: bool = False) -> Console:
    """Return the console of a command; tables need their cells made visible first, so that columns fit."""
    return VisibleConsole(highlight=False, stderr=stderr)
