"""Keep credentials and signatures out of botocore's debug log, which writes each request with all its headers."""

import logging
import re
from typing import Final

_NAMES: Final = "AccessKeyId|SecretAccessKey|SessionToken|X-Amz-Security-Token|X-Amz-Signature|X-Amz-Credential|Token"
_SECRETS: Final = (
    # Header, field of a form, JSON and XML: what the name is followed by until its value begins, then the value.
    re.compile(rf"((?<![\w-])(?:{_NAMES})(?:\\?['\"])?\s*[=:>]\s*b?(?:\\?['\"])?)([^\s&'\"<>,\\]+)", re.IGNORECASE),
    # The header Authorization.
    re.compile(r"((?<![\w-])(?:Credential|Signature)=)([^\s&'\"<>,\\]+)", re.IGNORECASE),
    # The canonical request ends its description of a request with a signature on a line of its own.
    re.compile(r"(\ASignature:\s*)(\w+)"),
)


class _WithoutSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Replace secrets in the record by asterisks; a record that cannot be formatted is left to its handler."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            return True
        hidden = text
        for pattern in _SECRETS:
            hidden = pattern.sub(r"\1***", hidden)
        if hidden != text:
            record.msg, record.args = hidden, ()
        return True


_FILTER: Final = _WithoutSecrets()


def hide_secrets() -> None:
    """Keep secrets out of the logs of botocore and its HTTP library; call it when these modules are imported.

    A logger's filter does not apply to the loggers below it, so each gets it. Calling this again adds new loggers only.
    """
    for name in tuple(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"boto3", "botocore", "s3transfer", "urllib3"}:
            logging.getLogger(name).addFilter(_FILTER)
