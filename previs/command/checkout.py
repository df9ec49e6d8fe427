"""Find the checkout, which holds the flows and blocks beside this package."""

from importlib.util import find_spec

from previs.errors import SourceNotFound


def require_checkout(package: str, needed: str) -> None:
    """Check that a package of the checkout can be imported.

    Args:
        package: Package to look for: ``flows`` or ``blocks``.
        needed: What the error names.

    Raises:
        SourceNotFound: The command does not run in a checkout.
    """
    if find_spec(package) is None:
        raise SourceNotFound(needed, "run previs from a checkout of its repository, as its README says")
