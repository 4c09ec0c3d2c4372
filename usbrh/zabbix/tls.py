"""TLS connections to a Zabbix server or proxy, as Zabbix's own agent makes them: with certificates or a pre-shared key.

With certificates, the server's certificate must be signed by ``tls_ca_file``, must not be in ``tls_crl_file``, and must
have the configured issuer and subject. **Like Zabbix, this module does not compare host names with certificates**,
which rarely contain one. If the same authority also signs other certificates, configure the subject too.

A pre-shared key uses TLS 1.2 only: in TLS 1.3 a server may ignore the key and present a certificate that nobody checks
(https://github.com/python/cpython/issues/160159). The standard library supports pre-shared keys from Python 3.13; for
older versions the extra ``usbrh[psk]`` provides the same method.
"""

import codecs
import os
import re
import ssl
import stat
import sys
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.secret_file import MAX_BYTES, exposure
from usbrh.errors import ConfigError, ZabbixUnreachable
from usbrh.system.files import open_regular, read_regular
from usbrh.system.installation import by_debian, install_command
from usbrh.zabbix.sockets import set_timeout

# As in Zabbix's own builds with OpenSSL.
_PSK_CIPHERS = "kECDHEPSK+AES128:kPSK+AES128"

_MAX_FILE = 16 << 20
"""Bytes of a certificate, key or revocation list. All certification authorities of Debian together have 220,000."""

# Python uses the long names of a certificate's attributes, Zabbix uses OpenSSL's short names.
_SHORT = MappingProxyType(
    {
        "commonName": "CN",
        "countryName": "C",
        "localityName": "L",
        "stateOrProvinceName": "ST",
        "organizationName": "O",
        "organizationalUnitName": "OU",
        "streetAddress": "street",
        "domainComponent": "DC",
        "userId": "UID",
        "surname": "SN",
        "givenName": "GN",
    }
)


class Tls:
    """The TLS settings of one configuration, for any number of connections."""

    def __init__(self, settings: ZabbixConfig) -> None:
        """Load the key and the certificates. Raises ConfigError if one is missing, wrong or readable by others."""
        self._settings = settings
        self._psk = settings.tls_connect == "psk"
        self._context = _psk_context(settings) if self._psk else _certificate_context(settings)

    def wrap(self, connection: Any, deadline: Deadline) -> ssl.SSLSocket:
        """Encrypt ``connection``: the TLS connection after its handshake, with the server's identity checked.

        Raises:
            ZabbixUnreachable: the handshake failed, or this is not the configured server. The connection is closed.
        """
        try:
            connection.getpeername()  # fails if the server has reset it; wrap_socket would then leave it half open
            secured = self._context.wrap_socket(connection, do_handshake_on_connect=False)
        except OSError as error:
            connection.close()
            raise self._failed(error) from None
        try:
            while True:
                set_timeout(secured, deadline)
                with suppress(TimeoutError):
                    secured.do_handshake()
                    break
            self._check(secured)
        except BaseException as error:
            secured.close()
            if isinstance(error, TimeoutError):
                raise ZabbixUnreachable(f"TLS handshake failed: no answer within {deadline.seconds:.1f} s") from None
            if isinstance(error, OSError):
                raise self._failed(error) from None
            raise
        return secured

    def _check(self, secured: ssl.SSLSocket) -> None:
        cipher, version = (secured.cipher() or ("no cipher",))[0], secured.version()
        if self._psk:
            if "PSK" not in cipher or version != "TLSv1.2":
                raise ZabbixUnreachable(f"{version} with {cipher} does not prove that the server has the key")
            return
        certificate = secured.getpeercert() or {}
        for field in ("issuer", "subject"):
            wanted = getattr(self._settings, f"tls_server_cert_{field}")
            found = distinguished_name(certificate.get(field, ()))
            if wanted is not None and found != wanted:
                raise ZabbixUnreachable(f'the {field} of the server\'s certificate is "{found}", not "{wanted}"')

    def _failed(self, error: OSError) -> ZabbixUnreachable:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ZabbixUnreachable(f"the server's certificate was rejected: {error.verify_message}")
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError):
            cause = (
                "usually because the PSK identity or key differs"
                if self._psk
                else "usually because it does not use TLS, or because it rejects our certificate"
            )
            return ZabbixUnreachable(
                f"TLS handshake failed: the server closed the connection, {cause}", remedy="check the server's log"
            )
        text = str(getattr(error, "reason", None) or error.strerror or error).replace("_", " ").lower()
        return ZabbixUnreachable(f"TLS handshake failed: {text}")


def distinguished_name(name: Any) -> str:
    """The text of a ``name`` from ``getpeercert``, in RFC 4514 format as Zabbix writes and compares it.

    The last part comes first, ``+`` joins several attributes of one part, and only ASCII characters are escaped.
    """
    return ",".join(
        "+".join(f"{_SHORT.get(attribute, attribute)}={_escape(value)}" for attribute, value in reversed(part))
        for part in reversed(name)
    )


def _escape(value: str) -> str:
    escaped = re.sub(r'([,+"\\<>;]|^[ #]| $)', r"\\\1", value)
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\{ord(match[0]):02X}", escaped)


def _certificate_context(settings: ZabbixConfig) -> ssl.SSLContext:
    authority = _needed(settings, "tls_ca_file")
    certificate = _needed(settings, "tls_cert_file")
    key = _secret(settings, "tls_key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # see the module's docstring
    _load(settings, "tls_ca_file", lambda: context.load_verify_locations(authority))
    if settings.tls_crl_file is not None:
        crl = _needed(settings, "tls_crl_file")
        _load(settings, "tls_crl_file", lambda: context.load_verify_locations(crl))
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN

    def no_password() -> str:
        raise _wrong(
            settings, "tls_key_file", f"{key} is encrypted", remedy=f"decrypt it: openssl pkey -in {key} -out NEW"
        )

    _load(settings, "tls_cert_file", lambda: context.load_cert_chain(certificate, key, no_password))
    return context


def _psk_context(settings: ZabbixConfig) -> Any:
    identity, key = pre_shared_key(settings)
    context = _context_with_psk()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server has no certificate; the key proves its identity
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(_PSK_CIPHERS)
    except ssl.SSLError:
        raise ConfigError(
            f"this Python's {ssl.OPENSSL_VERSION} does not support PSK", remedy="use Debian's own python3"
        ) from None
    context.set_psk_client_callback(lambda hint: (identity, key))
    return context


def _context_with_psk() -> Any:
    if sys.version_info >= (3, 13) and ssl.HAS_PSK:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        from sslpsk3 import SSLPSKContext  # noqa: PLC0415 - an extra
    except ImportError:
        needed = 'tls_connect = "psk" needs Python 3.13, or sslpsk3'
        if by_debian():
            raise ConfigError(
                f"{needed}, which Debian does not package",
                remedy="install usbrh in a venv, in its source folder:"
                " sudo python3 -m venv /opt/usbrh && sudo /opt/usbrh/bin/pip install '.[psk]'",
            ) from None
        raise ConfigError(needed, remedy=install_command("sslpsk3")) from None
    return SSLPSKContext(ssl.PROTOCOL_TLS_CLIENT)


def pre_shared_key(settings: ZabbixConfig) -> tuple[str, bytes]:
    """The identity and the key. Raises ConfigError if one is missing or wrong, or the file is readable by others."""
    identity = settings.tls_psk_identity
    if identity is None:
        raise _missing(settings, "tls_psk_identity")
    path = _secret(settings, "tls_psk_file")
    try:
        text = read_regular(path, MAX_BYTES + 1).removeprefix(codecs.BOM_UTF8).strip()
    except OSError as error:
        raise _unreadable(settings, "tls_psk_file", path, error) from None
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2}){16,256}", text):
        raise _wrong(
            settings,
            "tls_psk_file",
            f"{path} is not a pre-shared key: one line of 32 to 512 hexadecimal digits",
            remedy="create one: openssl rand -hex 32",
        )
    return identity, bytes.fromhex(text.decode())


def _needed(settings: ZabbixConfig, key: str) -> Path:
    path = getattr(settings, key)
    if path is None:
        raise _missing(settings, key)
    assert isinstance(path, Path)  # noqa: S101 - for mypy
    try:
        descriptor = open_regular(path)  # OpenSSL opens the path itself, and would wait for a pipe
        size = os.fstat(descriptor).st_size
        os.close(descriptor)
    except OSError as error:
        raise _unreadable(settings, key, path, error) from None
    if size > _MAX_FILE:
        raise _wrong(settings, key, f"{path} is too large (limit: {_MAX_FILE >> 20} MiB)")
    return path


def _secret(settings: ZabbixConfig, key: str) -> Path:
    """The path of a file; raises if other users may read or change it."""
    path = _needed(settings, key)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(settings, key, path, error) from None
    if whom := exposure(mode):
        raise _wrong(
            settings, key, f"{path} is secret, and can {whom} (mode {stat.S_IMODE(mode):o})", remedy=f"chmod 640 {path}"
        )
    return path


def _load(settings: ZabbixConfig, key: str, load: Any) -> None:
    try:
        load()
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise _wrong(settings, key, f"{getattr(settings, key)} can't be used: {reason}") from None
    except OSError as error:
        raise _unreadable(settings, key, getattr(settings, key), error) from None


def _unreadable(settings: ZabbixConfig, key: str, path: Path, error: OSError) -> ConfigError:
    if isinstance(error, PermissionError):
        remedy = f"sudo chgrp usbrh {path} && sudo chmod 640 {path}"
        return _wrong(settings, key, f"{path} can't be read by this user", remedy=remedy)
    return _wrong(settings, key, f"{path} can't be read: {error.strerror}", remedy=f"see: ls -l {path}")


def _missing(settings: ZabbixConfig, key: str) -> ConfigError:
    return _wrong(settings, "tls_connect", f'"{settings.tls_connect}" also needs {key}')


def _wrong(settings: ZabbixConfig, key: str, message: str, *, remedy: str | None = None) -> ConfigError:
    where = settings.origin.get(key)
    return ConfigError(f"{where}: {key}: {message}" if where else f"{key}: {message}", remedy=remedy)
