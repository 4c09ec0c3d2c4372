"""TLS towards a Zabbix server or proxy, as its own agent does it: certificates or a pre-shared key.

With certificates the server's has to be signed by ``tls_ca_file``, not be in ``tls_crl_file``, and have the issuer and
subject that are given. **Zabbix does not compare host names with certificates**, nor does this: its servers'
certificates seldom carry one. Whoever signs other things with the same authority gives the subject, too.

A pre-shared key is TLS 1.2 only: in TLS 1.3 a server may pass over the key and show a certificate that nobody
checks (https://github.com/python/cpython/issues/160159). The standard library has it from Python 3.13; below, the
extra ``usbrh[psk]`` brings the same method.
"""

import re
import ssl
import stat
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.secret_file import MAX_BYTES, exposure
from usbrh.errors import ConfigError, ZabbixUnreachable
from usbrh.installation import by_debian, install_command
from usbrh.zabbix.sockets import patiently

# What Zabbix's own OpenSSL builds ask for.
_PSK_CIPHERS = "kECDHEPSK+AES128:kPSK+AES128"

# Python names the attributes of a certificate in full, Zabbix by OpenSSL's short names.
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
        "emailAddress": "emailAddress",
        "serialNumber": "serialNumber",
        "postalCode": "postalCode",
        "title": "title",
        "description": "description",
        "name": "name",
        "initials": "initials",
        "pseudonym": "pseudonym",
        "dnQualifier": "dnQualifier",
        "organizationIdentifier": "organizationIdentifier",
        "businessCategory": "businessCategory",
    }
)


class Tls:
    """The TLS of one configuration, for any number of connections.

    Raises:
        ConfigError: a parameter or file is missing, wrong, unreadable, or readable by others.
    """

    def __init__(self, settings: ZabbixConfig) -> None:
        self._settings = settings
        self._psk = settings.tls_connect == "psk"
        self._context = _psk_context(settings) if self._psk else _certificate_context(settings)

    def wrap(self, connection: Any, deadline: Deadline) -> ssl.SSLSocket:
        """``connection`` after a handshake. It is closed if anything fails.

        Raises:
            ZabbixUnreachable: no handshake, or not with the right server.
        """
        try:
            connection.getpeername()  # fails if it was reset already, which wrap_socket would leave half open
            secured = self._context.wrap_socket(connection, do_handshake_on_connect=False)
        except OSError as error:
            connection.close()
            raise ZabbixUnreachable(f"no TLS handshake: {self._likely(error)}") from None
        try:
            self._greet(secured, deadline)
            self._check(secured)
        except BaseException:
            secured.close()
            raise
        return secured

    def _greet(self, secured: ssl.SSLSocket, deadline: Deadline) -> None:
        try:
            patiently(secured, deadline, secured.do_handshake)
        except ssl.SSLCertVerificationError as error:
            raise ZabbixUnreachable(f"the server's certificate is not accepted: {error.verify_message}") from None
        except TimeoutError:
            raise ZabbixUnreachable(f"no TLS handshake within {deadline.seconds:.1f} s") from None
        except OSError as error:
            raise ZabbixUnreachable(f"no TLS handshake: {self._likely(error)}") from None

    def _check(self, secured: ssl.SSLSocket) -> None:
        cipher, version = (secured.cipher() or ("none",))[0], secured.version()
        if self._psk:
            if "PSK" not in cipher or version != "TLSv1.2":
                raise ZabbixUnreachable(f"{version} with {cipher} does not prove that the server has the key")
            return
        certificate = secured.getpeercert() or {}
        for field, wanted in (
            ("issuer", self._settings.tls_server_cert_issuer),
            ("subject", self._settings.tls_server_cert_subject),
        ):
            found = distinguished_name(certificate.get(field, ()))
            if wanted is not None and found != wanted:
                raise ZabbixUnreachable(f'the {field} of the server\'s certificate is "{found}", not "{wanted}"')

    def _likely(self, error: OSError) -> str:
        if self._psk and isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError):
            return "the server hung up, as it does when the PSK's identity or key is another there; its log says which"
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError):
            return "the server hung up, as it does without TLS or when it does not accept our certificate; see its log"
        return str(getattr(error, "reason", None) or error.strerror or error).replace("_", " ").lower()


def distinguished_name(name: Any) -> str:
    """The RFC 4514 text of a name as ``getpeercert`` gives it, in the way Zabbix writes and compares it.

    The last part comes first, ``+`` stands within a part of several attributes, and only ASCII is escaped.
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
        crl = settings.tls_crl_file
        _load(settings, "tls_crl_file", lambda: context.load_verify_locations(crl))
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN

    def no_password() -> str:
        raise _wrong(settings, "tls_key_file", f"{key} is encrypted; openssl pkey -in {key} -out NEW decrypts it")

    _load(settings, "tls_cert_file", lambda: context.load_cert_chain(certificate, key, no_password))
    return context


def _psk_context(settings: ZabbixConfig) -> Any:
    identity, key = pre_shared_key(settings)
    context = _context_with_psk()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # there is none; the key proves who the server is
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(_PSK_CIPHERS)
    except ssl.SSLError:
        raise ConfigError(f"{ssl.OPENSSL_VERSION} of this Python has no PSK; use Debian's own python3") from None
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
                f"{needed}, which Debian has no package of; install usbrh in a venv, in its source folder:"
                " sudo python3 -m venv /opt/usbrh && sudo /opt/usbrh/bin/pip install '.[psk]'"
            ) from None
        raise ConfigError(f"{needed}; {install_command('sslpsk3')}") from None
    return SSLPSKContext(ssl.PROTOCOL_TLS_CLIENT)


def pre_shared_key(settings: ZabbixConfig) -> tuple[str, bytes]:
    """Its identity, and the key.

    Raises:
        ConfigError: one of them is missing, or the file is wrong, unreadable, or readable by others.
    """
    identity = settings.tls_psk_identity
    if identity is None:
        raise _missing(settings, "tls_psk_identity")
    path = _secret(settings, "tls_psk_file")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).strip()
    except OSError as error:
        raise _unreadable(settings, "tls_psk_file", path, error) from None
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2}){16,256}", text):
        message = (
            f"{path} is no pre-shared key: one line of 32 to 512 hexadecimal digits; openssl rand -hex 32 makes one"
        )
        raise _wrong(settings, "tls_psk_file", message)
    return identity, bytes.fromhex(text.decode())


def _needed(settings: ZabbixConfig, key: str) -> Path:
    path = getattr(settings, key)
    if path is None:
        raise _missing(settings, key)
    assert isinstance(path, Path)  # noqa: S101 - for mypy
    return path


def _secret(settings: ZabbixConfig, key: str) -> Path:
    """The path of a file that nobody else may read or change."""
    path = _needed(settings, key)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(settings, key, path, error) from None
    if whom := exposure(mode):
        raise _wrong(settings, key, f"{path} is secret, and can {whom} (mode {stat.S_IMODE(mode):o}); chmod 640 {path}")
    return path


def _load(settings: ZabbixConfig, key: str, load: Any) -> None:
    try:
        load()
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise _wrong(settings, key, f"{getattr(settings, key)} is not what is needed: {reason}") from None
    except OSError as error:
        raise _unreadable(settings, key, getattr(settings, key), error) from None


def _unreadable(settings: ZabbixConfig, key: str, path: Path, error: OSError) -> ConfigError:
    if isinstance(error, PermissionError):
        return _wrong(
            settings, key, f"{path} can't be read by this user; sudo chgrp usbrh {path} && sudo chmod 640 {path}"
        )
    return _wrong(settings, key, f"{path} can't be read: {error.strerror}; see ls -l {path}")


def _missing(settings: ZabbixConfig, key: str) -> ConfigError:
    return _wrong(settings, "tls_connect", f'"{settings.tls_connect}" needs {key} too')


def _wrong(settings: ZabbixConfig, key: str, message: str) -> ConfigError:
    where = settings.origin.get(key)
    return ConfigError(f"{where}: {key}: {message}" if where else f"{key}: {message}")
