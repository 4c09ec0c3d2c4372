"""Keys and certificates against real servers: what is right gets in, everything else stays out."""

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, Certificate
from tests.support.daemon import wait_for
from tests.support.psk import needs_psk
from tests.support.zabbix.server import CHECKOUT, TEXT, ZabbixServer
from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.protocol import Response, Value
from usbrh.zabbix.sender import Sender

KEY = "usbrh.get[1-1.4]"
PSK = "0123456789abcdef" * 4
UNENCRYPTED, BY_PSK, BY_CERTIFICATE = 1, 2, 4  # tls_accept of a host


@dataclass(frozen=True)
class Secured:
    """A server with certificates, hosts for each kind of connection, and the right configurations for it."""

    server: ZabbixServer
    authority: Authority
    plain: ZabbixConfig
    psk: ZabbixConfig
    certificate: ZabbixConfig

    def restart(self, certificate: str) -> None:
        """The server shows that one of its certificates."""
        directory = self.authority.directory
        self.server.settings |= {
            "TLSCAFile": str(self.authority.ca),
            "TLSCertFile": str(directory / f"{certificate}.pem"),
            "TLSKeyFile": str(directory / f"{certificate}.key"),
        }
        self.server.stop()
        self.server.start()

    def value(self, kind: str, number: int) -> Value:
        return Value(f"tls-{kind}", KEY, f"{kind} {number}", int(time.time()), number)

    def send(self, value: Value, settings: ZabbixConfig) -> Response:
        return Sender(Destination.parse(self.server.trapper), settings).send([value], Deadline(15))

    def stored(self, kind: str, good: Value) -> list[str]:
        """All that is stored for a host when ``good``, sent last, has arrived."""

        def values() -> list[str]:
            return [row.value for row in self.server.history(f"tls-{kind}", KEY)]

        wait_for(f"{good.value} in the history", lambda: good.value in values(), 60, 0.2)
        return values()


def _secure(server: ZabbixServer) -> Secured:
    authority = Authority(server.scratch / "tls")
    authority.issue("server", "/O=Example/CN=zabbix server")
    authority.issue("expired-server", "/O=Example/CN=zabbix server", expired=True)
    client = authority.issue("client", "/O=Example/CN=usbrh")
    key_file = authority.directory / "psk"
    key_file.write_text(PSK + "\n")
    key_file.chmod(0o640)
    server.make_host("tls-plain", {KEY: TEXT}, tls_accept=UNENCRYPTED)
    server.make_host("tls-psk", {KEY: TEXT}, tls_accept=BY_PSK, tls_psk_identity="PSK usbrh", tls_psk=PSK)
    server.make_host("tls-certificate", {KEY: TEXT}, tls_accept=BY_CERTIFICATE,
                     tls_issuer="CN=Example CA,O=Example", tls_subject="CN=usbrh,O=Example")  # fmt: skip
    psk = ZabbixConfig(tls_connect="psk", tls_psk_identity="PSK usbrh", tls_psk_file=key_file)
    certificate = ZabbixConfig(
        tls_connect="cert", tls_ca_file=authority.ca, tls_cert_file=client.certificate, tls_key_file=client.key,
        tls_server_cert_issuer="CN=Example CA,O=Example", tls_server_cert_subject="CN=zabbix server,O=Example",
    )  # fmt: skip
    secured = Secured(server, authority, ZabbixConfig(), psk, certificate)
    # The daemon runs as a user of its own, whose number differs between the releases' systems.
    for key in authority.directory.glob("*server.key"):
        key.chmod(0o644)
    secured.restart("server")
    server.sync()
    return secured


_secured: dict[str, Secured] = {}


def secured_once(server: ZabbixServer) -> Secured:
    name = server.release.name
    if name not in _secured:
        _secured[name] = _secure(server)
    return _secured[name]


@pytest.fixture
def secured(server: ZabbixServer) -> Secured:
    return secured_once(server)


@needs_psk
def test_the_right_key(secured: Secured) -> None:
    for compression in (False, True):
        value = secured.value("psk", 100 + compression)
        outcome = secured.send(value, replace(secured.psk, compression=compression))
        assert (outcome.accepted, outcome.rejected) == (1, 0)
        assert value.value in secured.stored("psk", value)


@needs_psk
def test_a_wrong_key_an_unknown_identity_and_no_key(secured: Secured, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("ff" * 32)
    other.chmod(0o600)
    for settings in (replace(secured.psk, tls_psk_file=other), replace(secured.psk, tls_psk_identity="somebody")):
        with pytest.raises(ZabbixUnreachable, match="usually because the PSK identity or key differs"):
            secured.send(secured.value("psk", 1), settings)
    rejected = secured.send(secured.value("psk", 2), secured.plain)
    assert (rejected.accepted, rejected.rejected) == (0, 1)
    rejected = secured.send(secured.value("psk", 3), secured.certificate)
    assert (rejected.accepted, rejected.rejected) == (0, 1)
    good = secured.value("psk", 4)
    assert secured.send(good, secured.psk).accepted == 1
    assert not {"psk 1", "psk 2", "psk 3"} & set(secured.stored("psk", good))


@needs_psk
def test_a_key_to_a_host_that_wants_none(secured: Secured) -> None:
    rejected = secured.send(secured.value("plain", 1), secured.psk)
    assert (rejected.accepted, rejected.rejected) == (0, 1)
    assert secured.send(secured.value("plain", 2), secured.plain).accepted == 1


def test_certificates(secured: Secured) -> None:
    value = secured.value("certificate", 1)
    assert secured.send(value, secured.certificate).accepted == 1
    assert "certificate 1" in secured.stored("certificate", value)
    rejected = secured.send(secured.value("certificate", 2), secured.plain)
    assert (rejected.accepted, rejected.rejected) == (0, 1)


def test_certificates_of_others(secured: Secured, tmp_path: Path) -> None:
    """Another subject than the host's is rejected. Expired or of a strange authority: the server hangs up."""
    somebody = secured.authority.issue("somebody", "/O=Example/CN=somebody")
    settings = replace(secured.certificate, tls_cert_file=somebody.certificate, tls_key_file=somebody.key)
    outcome = secured.send(secured.value("certificate", 3), settings)
    assert (outcome.accepted, outcome.rejected) == (0, 1)
    old = secured.authority.issue("old", "/O=Example/CN=usbrh", expired=True)
    strange = Authority(tmp_path / "strange").issue("client", "/O=Example/CN=usbrh")
    for issued in (old, strange):
        settings = replace(secured.certificate, tls_cert_file=issued.certificate, tls_key_file=issued.key)
        with pytest.raises(ZabbixUnreachable, match="closed the connection without an answer; check the server's log"):
            secured.send(secured.value("certificate", 4), settings)
    good = secured.value("certificate", 5)
    assert secured.send(good, secured.certificate).accepted == 1
    assert not {"certificate 3", "certificate 4"} & set(secured.stored("certificate", good))


def test_a_server_that_is_another(secured: Secured, tmp_path: Path) -> None:
    for wrong, words in (
        ({"tls_server_cert_issuer": "CN=Other CA,O=Example"}, "the issuer of the server's certificate is"),
        ({"tls_server_cert_subject": "CN=zabbix server"}, "the subject of the server's certificate is"),
        ({"tls_ca_file": Authority(tmp_path / "strange").ca}, "the server's certificate was rejected"),
    ):
        with pytest.raises(ZabbixUnreachable, match=words):
            secured.send(secured.value("certificate", 6), replace(secured.certificate, **wrong))


def test_a_server_whose_certificate_expired_or_was_revoked(secured: Secured) -> None:
    secured.restart("expired-server")
    with pytest.raises(ZabbixUnreachable, match="the server's certificate was rejected: certificate has expired"):
        secured.send(secured.value("certificate", 7), secured.certificate)
    secured.authority.issue("revoked-server", "/O=Example/CN=zabbix server").key.chmod(0o644)
    secured.restart("revoked-server")
    listed = replace(secured.certificate, tls_crl_file=secured.authority.revoke())
    assert secured.send(secured.value("certificate", 8), listed).accepted == 1
    directory = secured.authority.directory
    revoked = Certificate(directory / "revoked-server.pem", directory / "revoked-server.key")
    listed = replace(secured.certificate, tls_crl_file=secured.authority.revoke(revoked))
    with pytest.raises(ZabbixUnreachable, match="the server's certificate was rejected: certificate revoked"):
        secured.send(secured.value("certificate", 9), listed)
    secured.restart("server")


SCRIPT = """
import json, sys
from pathlib import Path
from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.sender import Sender
task = json.loads(sys.argv[1])
settings = ZabbixConfig(tls_connect="psk", tls_psk_identity="PSK usbrh", tls_psk_file=Path(task["key"]))
sender = Sender(Destination.parse(task["server"]), settings)
print(sys.version_info[:2], sender.send([Value(**task["value"])], Deadline(15)))
"""


def test_the_standard_library_of_debian_13(zabbix_70: ZabbixServer) -> None:
    """Python 3.13 as Debian builds it has keys without an extra."""
    secured = secured_once(zabbix_70)
    shutil.copytree(CHECKOUT / "usbrh", zabbix_70.scratch / "python" / "usbrh", dirs_exist_ok=True)
    value = secured.value("psk", 200)
    task: dict[str, Any] = {
        "key": str(secured.psk.tls_psk_file), "server": zabbix_70.trapper, "value": value._asdict(),
    }  # fmt: skip
    done = zabbix_70.run(
        "env", f"PYTHONPATH={zabbix_70.scratch}/python", "PYTHONDONTWRITEBYTECODE=1", "python3", "-c", SCRIPT,
        json.dumps(task), user="root",
    )  # fmt: skip
    assert done.stdout.startswith("(3, 13) Response(accepted=1, rejected=0,"), done.stdout
    assert "psk 200" in secured.stored("psk", value)
