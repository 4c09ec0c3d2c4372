"""A pre-shared key, its file, and a server that requires it."""

import importlib.util
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

IDENTITY, KEY = "PSK 001", "0123456789abcdef" * 4
HAS_PSK = sys.version_info >= (3, 13) or importlib.util.find_spec("sslpsk3") is not None
needs_psk = pytest.mark.skipif(not HAS_PSK, reason='sslpsk3 is not installed: .venv/bin/pip install -e ".[psk]"')


def write_psk(path: Path, text: str = KEY, mode: int = 0o640) -> Path:
    """Write the file of a key and return ``path``."""
    path.write_text(text)
    path.chmod(mode)
    return path


def psk_server(identity: str = IDENTITY, key: str = KEY, minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> Any:
    """Return the TLS context of a server that accepts this one key."""
    if sys.version_info >= (3, 13):
        context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    else:
        from sslpsk3 import SSLPSKContext

        context = SSLPSKContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")
    context.set_psk_server_callback(lambda given: bytes.fromhex(key) if given == identity else b"", "zabbix")
    return context
