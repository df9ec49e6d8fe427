"""Decide which server certificates to trust, and explain failures of TLS."""

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
    """Choose which certificates to trust: those that the system trusts, and those of a private authority.

    Servers that share an instance share its context, which takes a few hundredths of a second to create.

    Attributes:
        authority: Certificates in PEM form, or the path of a PEM file.
        verify: Whether to verify certificates at all.
    """

    authority: str | None = None
    verify: bool = True

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Return the context for HTTP and sockets; ``SSL_CERT_FILE`` replaces the system's certificates.

        Raises:
            FarmRefused: The authority holds no readable certificate.
        """
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.authority is not None:
            # Python 3.13 and later require key identifiers, which many small authorities leave out.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            try:
                context.load_verify_locations(cadata=_certificates(self.authority))
            except (ssl.SSLError, ValueError) as error:
                raise FarmRefused(f"{_SETTING} holds no readable certificate: {_REMEDY}") from error
        return context


def _certificates(authority: str) -> bytes:
    """Return all certificates, decoded and concatenated.

    A one-line form field replaces line ends with spaces, and text that was quoted twice with a backslash and an n.
    """
    text = authority if "-----BEGIN" in authority else _read(authority.strip())
    bodies = (re.sub(r"\\n|\\r|\s", "", found[1]) for found in _CERTIFICATE.finditer(text))
    return b"".join(base64.b64decode(body, validate=True) for body in bodies)


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="latin-1")
    except OSError as error:
        raise FarmRefused(f"{_SETTING} {path[:200]!r} cannot be read ({error.strerror}): {_REMEDY}") from error


def explain_tls_failure(error: BaseException) -> str | None:
    """Return what is wrong with the certificate or TLS and how to fix it, or None if the failure has another cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS failed ({cause.reason or 'the server hung up'}): does its address really start with https://?"
    if cause.verify_code == _EXPIRED:
        return "its certificate has expired: renew it"
    if cause.verify_code in _OTHER_NAMES:
        return "its certificate is for other names: use one of them in the address, or have a new one issued"
    return (
        f"its certificate is not trusted: give the farm block the authority that signed it ({_SETTING}), "
        "or turn Verify certificates off"
    )
