"""One redaction of all secrets of an API session, for texts that come from elsewhere."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "***"
SHORT = 4
"""A secret of fewer characters is redacted as a whole word only."""
LONG = 16
"""Secrets of as many characters are redacted in results, too. A shorter password can be part of a name there."""
MAX_TEXT = 300
"""Characters of a quotation."""


class Secrets:
    """The password, token, session id and keys of one session, and the login of its proxy."""

    def __init__(self, *secrets: str | None) -> None:
        self._known: set[str] = set()
        self.add(*secrets)

    def add(self, *secrets: str | None) -> None:
        """Redact these from now on, in all forms in which JSON, HTML, an address or a header repeats them."""
        for secret in secrets:
            if secret and secret.strip():
                self._known |= {secret, secret.strip()}

    def redact(self, text: str, at_least: int = 1) -> str:
        """Return ``text`` without the secrets that have ``at_least`` this many characters."""
        forms = {form for secret in self._known if len(secret) >= at_least for form in _forms(secret)}
        if not forms:
            return text
        words = (_word(form) for form in sorted(forms, key=len, reverse=True))
        return re.sub("|".join(words), REDACTED, text, flags=re.IGNORECASE)

    def quote(self, text: object) -> str:
        """Return one line of foreign ``text`` for a message."""
        line = " ".join(self.redact(str(text)).split())
        return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]}…"

    def redact_result(self, result: Any) -> Any:
        """Return the result of a call without the long secrets, which no object of Zabbix contains.

        Raises:
            RecursionError: the result is nested too deeply.
        """
        if isinstance(result, str):
            return self.redact(result, LONG)
        if isinstance(result, list):
            return [self.redact_result(each) for each in result]
        if isinstance(result, dict):
            return {self.redact(key, LONG): self.redact_result(value) for key, value in result.items()}
        return result


def _forms(secret: str) -> Iterator[str]:
    for text in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]):
        yield from (text, json.dumps(text)[1:-1], text.replace("/", "\\/"), escape(text))
    encoded = secret.encode(errors="replace")
    yield from (quote(encoded, safe=""), quote_plus(encoded), b64encode(encoded).decode())


def _word(form: str) -> str:
    return re.escape(form) if len(form) >= SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"
