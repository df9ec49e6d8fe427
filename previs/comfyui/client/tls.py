"""Which certificates of servers are believed, and what a refused one means."""

import base64
import re
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from previs.errors import FarmRefused

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SETTING = "Certificate authority"
_REMEDY = "give the text of a PEM file, or its path on the machine that runs the flow"
# Numbers of OpenSSL, x509_vfy.h: X509_V_ERR_CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH.
_EXPIRED, _OTHER_NAMES = 10, frozenset({62, 64})


@dataclass(frozen=True)
class Tls:
    """Which certificates are believed: those that the system trusts, and those of an authority of one's own.

    Servers that share one of these share its context, which takes a few hundredths of a second to make.

    Attributes:
        authority: certificates in PEM form, or the path of a file with them.
        verify: whether a certificate is looked at at all.
    """

    authority: str | None = None
    verify: bool = True

    @cached_property
    def context(self) -> ssl.SSLContext:
        """For HTTP and sockets alike; ``SSL_CERT_FILE`` counts as the system's.

        Raises:
            FarmRefused: the authority holds no certificate that can be read.
        """
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.authority is not None:
            # From 3.13 on Python asks for key identifiers, which many small authorities leave out.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            try:
                context.load_verify_locations(cadata=_certificates(self.authority))
            except (ssl.SSLError, ValueError) as error:
                raise FarmRefused(f"{_SETTING} holds no certificate that can be read: {_REMEDY}") from error
        return context


def _certificates(authority: str) -> bytes:
    """Every certificate, one after the other, decoded.

    A form's single line has blanks in the place of line ends, and a text quoted twice a backslash and an n.
    """
    text = authority if "-----BEGIN" in authority else _read(authority.strip())
    bodies = (re.sub(r"\\n|\\r|\s", "", found[1]) for found in _CERTIFICATE.finditer(text))
    return b"".join(base64.b64decode(body, validate=True) for body in bodies)


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="latin-1")
    except OSError as error:
        raise FarmRefused(f"{_SETTING} {path[:200]!r} cannot be read ({error.strerror}): {_REMEDY}") from error


def why_no_tls(error: BaseException) -> str | None:
    """What a failed connection's certificate or TLS lacks, and what to do; none if its failure has another cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return f"no TLS came about ({cause.reason or 'it hung up'}): is its address one of https:// at all?"
    if cause.verify_code == _EXPIRED:
        return "its certificate has expired: renew it"
    if cause.verify_code in _OTHER_NAMES:
        return "its certificate is for other names: use one of them in the address, or have a new one made"
    return (
        f"its certificate is not trusted: give the farm block the authority that signed it ({_SETTING}), "
        "or turn Verify certificates off"
    )
