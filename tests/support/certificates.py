"""A certificate authority that uses the openssl program."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_CONFIGURATION = """
[ca]
default_ca = authority
[authority]
database = {directory}/index.txt
new_certs_dir = {directory}
serial = {directory}/serial
default_md = sha256
default_crl_days = 30
policy = anything
unique_subject = no
string_mask = utf8only
[anything]
[req]
distinguished_name = none
string_mask = utf8only
utf8 = yes
[none]
[authority_extensions]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[extensions]
basicConstraints = CA:FALSE
"""


@dataclass(frozen=True)
class Certificate:
    """One certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority with its files in ``directory``. It skips the test if openssl is missing.

    RSA, because Zabbix built with GnuTLS offers no ECDSA.
    """

    def __init__(self, directory: Path, subject: str = "/O=Example/CN=Example CA") -> None:
        if not shutil.which("openssl"):
            pytest.skip("the program openssl is not installed: sudo apt install openssl")
        directory.mkdir(parents=True)
        self.directory = directory
        self.configuration = directory / "openssl.cnf"
        self.configuration.write_text(_CONFIGURATION.format(directory=directory))
        (directory / "index.txt").touch()
        (directory / "serial").write_text("01\n")
        self.ca = directory / "ca.pem"
        self.key = directory / "ca.key"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                "-config", self.configuration, "-extensions", "authority_extensions", "-utf8", "-subj", subject,
                "-keyout", self.key, "-out", self.ca)  # fmt: skip

    def issue(self, name: str, subject: str, *more: str, expired: bool = False, own_key: bool = True) -> Certificate:
        """Return a certificate for ``subject``, which is written as openssl does: ``/O=Example/CN=name``.

        Without ``own_key`` it has the key of the authority, which is quicker.
        """
        key, request, certificate = (self.directory / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
        if not own_key:
            shutil.copy(self.key, key)
        openssl("req", *(("-newkey", "rsa:2048", "-nodes", "-keyout", key) if own_key else ("-new", "-key", key)),
                "-utf8", "-subj", subject, "-config", self.configuration, "-out", request, *more)  # fmt: skip
        end = "20200102000000Z" if expired else "20491231000000Z"
        openssl("ca", "-batch", "-notext", "-preserveDN", "-utf8", "-config", self.configuration, "-extensions",
                "extensions", "-cert", self.ca, "-keyfile", self.key, "-startdate", "20200101000000Z", "-enddate", end,
                "-in", request, "-out", certificate)  # fmt: skip
        key.chmod(0o600)
        return Certificate(certificate, key)

    def revoke(self, *certificates: Certificate) -> Path:
        """Return a certificate revocation list (CRL) with these certificates."""
        common = ("ca", "-batch", "-config", self.configuration, "-cert", self.ca, "-keyfile", self.key)
        for revoked in certificates:
            openssl(*common, "-revoke", revoked.certificate)
        crl = self.directory / "crl.pem"
        openssl(*common, "-gencrl", "-out", crl)
        return crl


def openssl(*arguments: str | Path) -> str:
    """Run openssl and return what it prints."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def server_context(authority: Authority, certificate: Certificate) -> ssl.SSLContext:
    """Return the TLS context of a server that requires a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
