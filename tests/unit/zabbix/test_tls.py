import os
import socket
import ssl
import struct
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, Certificate, openssl, server_context
from tests.support.closed import closed, reachable
from tests.support.faultproxy import Fault, FaultProxy
from tests.support.psk import IDENTITY, KEY, needs_psk, psk_server, write_psk
from tests.support.waits import within
from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ConfigError, ZabbixUnreachable
from usbrh.zabbix import tls
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.sender import Sender
from usbrh.zabbix.sockets import POLL_SECONDS
from usbrh.zabbix.tls import Tls, distinguished_name, pre_shared_key

VALUE = Value("living-room-pc", "usbrh.get[1-1.4]", '{"v": 1}', 1795334400, 123456789)


def send(address: str, settings: ZabbixConfig, seconds: float = 5.0) -> int:
    return Sender(Destination.parse(address), settings).send([VALUE], Deadline(seconds)).accepted


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def server_certificate(authority: Authority) -> Certificate:
    return authority.issue("server", "/C=JP/O=Example, Inc./OU=居間+OU=second/CN=zabbix server")


@pytest.fixture(scope="module")
def client(authority: Authority) -> ZabbixConfig:
    issued = authority.issue("client", "/CN=usbrh")
    return ZabbixConfig(
        tls_connect="cert", tls_ca_file=authority.ca, tls_cert_file=issued.certificate, tls_key_file=issued.key
    )


class TestCertificates:
    @pytest.fixture
    def server(self, authority: Authority, server_certificate: Certificate) -> Any:
        with FakeServer(tls=server_context(authority, server_certificate)) as server:
            yield server

    def test_accepted(self, server: FakeServer, client: ZabbixConfig) -> None:
        assert send(server.address, client) == 1
        assert send(server.address, replace(client, compression=True)) == 1
        assert server.values == [VALUE, VALUE]

    def test_a_probe_names_its_steps(self, server: FakeServer, client: ZabbixConfig) -> None:
        encrypted = Destination.parse(server.address)
        steps = Sender(encrypted, client).probe(encrypted.nodes[0], Deadline(5))
        assert list(steps) == ["server", "TLS", "round trip"]
        with FakeServer() as plain:
            destination = Destination.parse(plain.address)
            steps = Sender(destination, ZabbixConfig()).probe(destination.nodes[0], Deadline(5))
            assert list(steps) == ["server", "round trip"]
        assert server.values == plain.values == []

    def test_issuer_and_subject(self, server: FakeServer, client: ZabbixConfig) -> None:
        subject = r"CN=zabbix server,OU=居間+OU=second,O=Example\, Inc.,C=JP"
        right = replace(client, tls_server_cert_issuer="CN=Example CA,O=Example", tls_server_cert_subject=subject)
        assert send(server.address, right) == 1
        with pytest.raises(ZabbixUnreachable, match='issuer of the server\'s certificate is "CN=Example CA,O=Example"'):
            send(server.address, replace(right, tls_server_cert_issuer="CN=example CA,O=Example"))
        with pytest.raises(ZabbixUnreachable, match="subject of the server's certificate is"):
            send(server.address, replace(right, tls_server_cert_subject="CN=zabbix server"))
        assert server.values == [VALUE]

    def test_another_authority(self, server: FakeServer, client: ZabbixConfig, tmp_path: Path) -> None:
        stranger = Authority(tmp_path / "stranger")
        with pytest.raises(ZabbixUnreachable, match="certificate was rejected: self-signed certificate in"):
            send(server.address, replace(client, tls_ca_file=stranger.ca))
        assert server.values == []

    def test_revoked(self, server: FakeServer, client: ZabbixConfig, authority: Authority) -> None:
        crl = authority.revoke()
        assert send(server.address, replace(client, tls_crl_file=crl)) == 1
        revoked = authority.issue("revoked", "/CN=revoked", own_key=False)
        crl = authority.revoke(revoked)
        assert send(server.address, replace(client, tls_crl_file=crl)) == 1
        with FakeServer(tls=server_context(authority, revoked)) as other:
            with pytest.raises(ZabbixUnreachable, match="certificate was rejected: certificate revoked"):
                send(other.address, replace(client, tls_crl_file=crl))
            assert send(other.address, client) == 1, "without the list nobody knows"

    def test_expired(self, client: ZabbixConfig, authority: Authority) -> None:
        with FakeServer(
            tls=server_context(authority, authority.issue("old", "/CN=old", expired=True, own_key=False))
        ) as server:
            with pytest.raises(ZabbixUnreachable, match="certificate was rejected: certificate has expired"):
                send(server.address, client)
            assert server.values == []

    def test_our_own_is_rejected(self, server: FakeServer, client: ZabbixConfig, tmp_path: Path) -> None:
        issued = Authority(tmp_path / "stranger").issue("client", "/CN=usbrh", own_key=False)
        mine = replace(client, tls_cert_file=issued.certificate, tls_key_file=issued.key)
        with pytest.raises(ZabbixUnreachable):
            send(server.address, mine)
        assert server.values == []

    def test_a_port_without_tls(self, client: ZabbixConfig) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer() -> None:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.recv(4096)
                    accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(ZabbixUnreachable) as caught:
                send(f"127.0.0.1:{listener.getsockname()[1]}", client)
            thread.join()
        assert caught.value.message.endswith("TLS handshake failed: wrong version number")
        assert Tls(client)._failed(OSError(32, "Broken pipe")).message == "TLS handshake failed: broken pipe"

    def test_never_plain_text(self, client: ZabbixConfig) -> None:
        with FakeServer() as plain:
            with pytest.raises(ZabbixUnreachable, match="TLS handshake failed"):
                send(plain.address, client)
            assert plain.requests == []

    def test_plain_text_to_a_tls_server(self, server: FakeServer) -> None:
        with pytest.raises(ZabbixUnreachable):
            send(server.address, ZabbixConfig())
        assert server.values == []

    @pytest.mark.parametrize("fault", [Fault(pace=0.01), Fault(cut_answer=0, silent=True), Fault(delay=5)], ids=str)
    def test_a_handshake_ends_by_the_deadline(self, server: FakeServer, client: ZabbixConfig, fault: Fault) -> None:
        with FaultProxy(server.address, fault) as proxy:
            start = time.monotonic()
            with pytest.raises(ZabbixUnreachable, match=r"TLS handshake failed: no answer within 0\.\d s"):
                send(proxy.address, client, seconds=0.5)
            assert time.monotonic() - start < 0.85

    def test_a_slow_handshake_is_one(self, server: FakeServer, client: ZabbixConfig) -> None:
        with FaultProxy(server.address, Fault(delay=3 * POLL_SECONDS)) as proxy:
            assert send(proxy.address, client) == 1

    # A reset in the moment before the handshake: Python's wrap_socket drops its half-made socket, which closes it.
    @pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
    def test_cut_at_some_bytes(self, server: FakeServer, client: ZabbixConfig) -> None:
        with FaultProxy(server.address) as proxy:
            for size in (0, 1, 5, 50, 500, 1000):
                for fault in (Fault(cut_request=size), Fault(cut_answer=size), Fault(cut_answer=size, reset=True)):
                    proxy.fault = fault
                    with pytest.raises(ZabbixUnreachable):
                        send(proxy.address, client, seconds=0.5)


@pytest.mark.parametrize(
    "subject",
    [
        "/CN=plain",
        "/C=JP/ST=Tokyo/L=Chiyoda/O=Example/OU=Lab/CN=a b/emailAddress=x@example.org",
        "/DC=org/DC=example/UID=7/CN=x",
        '/O=a, b; c + d = \\"e\\" <f> \\\\ g/CN=#1',
        "/CN= blanks ",
        "/OU=one+OU=two/CN=居間 °C",
        "/serialNumber=5/title=Dr/SN=Doe/GN=Jo/initials=J/street=1 Road/postalCode=100/CN=x\x7fy",
    ],
)
def test_names_are_written_as_zabbix_does(authority: Authority, tmp_path: Path, subject: str) -> None:
    """Zabbix writes them by OpenSSL with the flags RFC 2253 without escapes for non-ASCII (src/libs/zbxcomms, tls)."""
    issued = authority.issue("name", subject, own_key=False)
    shown = openssl("x509", "-in", issued.certificate, "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb")
    decoded = ssl._ssl._test_decode_cert(str(issued.certificate))  # type: ignore[attr-defined]
    assert distinguished_name(decoded["subject"]) == shown.removeprefix("subject=").removesuffix("\n")


class TestPreSharedKey:
    @pytest.fixture
    def client(self, tmp_path: Path) -> ZabbixConfig:
        path = write_psk(tmp_path / "psk", f"{KEY}\n")
        return ZabbixConfig(tls_connect="psk", tls_psk_identity=IDENTITY, tls_psk_file=path)

    @needs_psk
    def test_accepted(self, client: ZabbixConfig) -> None:
        with FakeServer(tls=psk_server()) as server:
            for _ in range(3):
                assert send(server.address, client) == 1
        assert server.values == [VALUE] * 3

    @needs_psk
    def test_wrong_key_or_identity(self, client: ZabbixConfig) -> None:
        for context in (psk_server(key="ff" * 32), psk_server(identity="other")):
            with FakeServer(tls=context) as server:
                with pytest.raises(ZabbixUnreachable, match="TLS handshake failed"):
                    send(server.address, client)
                assert server.values == []

    @needs_psk
    def test_a_server_with_a_certificate_is_no_server_with_the_key(
        self, client: ZabbixConfig, authority: Authority, server_certificate: Certificate
    ) -> None:
        context = server_context(authority, server_certificate)
        context.verify_mode = ssl.CERT_NONE
        with FakeServer(tls=context) as server:
            with pytest.raises(ZabbixUnreachable, match="TLS handshake failed"):
                send(server.address, client)
            assert server.values == []

    @needs_psk
    def test_the_cipher_is_checked(self, client: ZabbixConfig) -> None:
        class Negotiated:
            def cipher(self) -> tuple[str, str, int]:
                return ("ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128)

            def version(self) -> str:
                return "TLSv1.2"

        with pytest.raises(ZabbixUnreachable, match="does not prove that the server has the key"):
            Tls(client)._check(Negotiated())  # type: ignore[arg-type]

    @needs_psk
    def test_a_slow_handshake_is_one(self, client: ZabbixConfig) -> None:
        with FakeServer(tls=psk_server()) as server, FaultProxy(server.address, Fault(delay=3 * POLL_SECONDS)) as proxy:
            assert send(proxy.address, client) == 1

    @needs_psk
    def test_reset_before_the_handshake(self, client: ZabbixConfig) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connection = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            time.sleep(0.05)
            with pytest.raises(ZabbixUnreachable, match="TLS handshake failed"):
                Tls(client).wrap(connection, Deadline(1))
            assert connection.fileno() == -1

    @needs_psk
    def test_never_plain_text(self, client: ZabbixConfig) -> None:
        with FakeServer() as plain:
            with pytest.raises(ZabbixUnreachable, match="TLS handshake failed"):
                send(plain.address, client)
            assert plain.requests == []

    def test_without_the_extra(self, client: ZabbixConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ssl, "HAS_PSK", False, raising=False)
        monkeypatch.setitem(sys.modules, "sslpsk3", None)
        with pytest.raises(ConfigError, match=r"needs Python 3\.13, or sslpsk3; .*python.* -m pip install sslpsk3$"):
            Tls(client)
        monkeypatch.setattr(tls, "by_debian", lambda: True)
        with pytest.raises(ConfigError, match=r"does not package; .*pip install '\.\[psk\]'$"):
            Tls(client)

    @pytest.mark.parametrize(
        "text", ["", "xyz", "0123", "0" * 31, "0" * 33, "0" * 514, "0" * 10_000, f"{KEY}\n{KEY}", "０" * 32]
    )
    def test_what_is_no_key(self, client: ZabbixConfig, tmp_path: Path, text: str) -> None:
        path = write_psk(tmp_path / "bad", text)
        with pytest.raises(
            ConfigError,
            match=r"bad is not a pre-shared key: one line of 32 to 512 hexadecimal digits; create one: openssl rand",
        ) as no:
            Tls(replace(client, tls_psk_file=path))
        assert "0" * 31 not in str(no.value)
        assert KEY[:16] not in str(no.value)


class TestFiles:
    PSK = ZabbixConfig(tls_connect="psk", tls_psk_identity=IDENTITY)

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            (0o644, "can be read by everyone"),
            (0o660, "can be changed by others"),
            (0o642, "can be changed by others"),
            (0o604, "can be read by everyone"),
        ],
    )
    def test_too_open(self, tmp_path: Path, mode: int, words: str) -> None:
        path = write_psk(tmp_path / "psk", mode=mode)
        settings = replace(self.PSK, tls_psk_file=path, origin={"tls_psk_file": "/etc/usbrh/usbrh.toml, line 7"})
        with pytest.raises(ConfigError) as caught:
            Tls(settings)
        assert str(caught.value) == (
            f"/etc/usbrh/usbrh.toml, line 7: tls_psk_file: {path} is secret, and {words} (mode {mode:o}); "
            f"chmod 640 {path}"
        )
        assert KEY not in str(caught.value)

    def test_missing_words_and_files(self, tmp_path: Path) -> None:
        for settings, words in (
            (ZabbixConfig(tls_connect="psk"), 'tls_connect: "psk" also needs tls_psk_identity'),
            (self.PSK, 'tls_connect: "psk" also needs tls_psk_file'),
            (ZabbixConfig(tls_connect="cert"), 'tls_connect: "cert" also needs tls_ca_file'),
            (
                replace(self.PSK, tls_psk_file=tmp_path / "none"),
                "none can't be read: No such file or directory; see",
            ),
        ):
            with pytest.raises(ConfigError, match=words):
                Tls(settings)

    def test_unreadable(self) -> None:
        with reachable() as folder:
            path = write_psk(folder / "psk")
            words = f"can't be read by this user; sudo chgrp usbrh {path} && sudo chmod 640"
            with closed(path), pytest.raises(ConfigError, match=words):
                Tls(replace(self.PSK, tls_psk_file=path))

    @needs_psk
    def test_a_byte_order_mark_is_left_out(self, tmp_path: Path) -> None:
        path = write_psk(tmp_path / "psk", f"\ufeff{KEY}\r\n")
        assert pre_shared_key(replace(self.PSK, tls_psk_file=path)) == (IDENTITY, bytes.fromhex(KEY))

    @pytest.mark.parametrize("key", ["tls_psk_file", "tls_ca_file", "tls_crl_file", "tls_cert_file", "tls_key_file"])
    def test_only_regular_files_are_read(self, client: ZabbixConfig, tmp_path: Path, key: str) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe, 0o600)
        settings = self.PSK if key == "tls_psk_file" else client
        with within(5), pytest.raises(ConfigError, match=f"^{key}: {pipe} can't be read: not a regular file; see"):
            Tls(replace(settings, **{key: pipe}))  # type: ignore[arg-type]

    def test_no_file_of_any_size(self, client: ZabbixConfig, tmp_path: Path) -> None:
        large = tmp_path / "large.pem"
        large.touch()
        os.truncate(large, (16 << 20) + 1)
        with pytest.raises(ConfigError, match=r"large.pem is too large \(limit: 16 MiB\)"):
            Tls(replace(client, tls_ca_file=large))

    def test_certificate_files(self, client: ZabbixConfig, tmp_path: Path, server_certificate: Certificate) -> None:
        nonsense = write_psk(tmp_path / "nonsense.pem", "nonsense")
        for more, words in (
            ({"tls_ca_file": nonsense}, r"^tls_ca_file: .*nonsense.pem can't be used: no certificate"),
            ({"tls_crl_file": nonsense}, r"^tls_crl_file: .*nonsense.pem can't be used"),
            ({"tls_cert_file": nonsense}, r"^tls_cert_file: .*nonsense.pem can't be used"),
            ({"tls_key_file": nonsense}, r"^tls_cert_file: .* can't be used"),
            ({"tls_key_file": server_certificate.key}, "key values mismatch"),
            ({"tls_ca_file": tmp_path / "none"}, "none can't be read: No such file"),
        ):
            with pytest.raises(ConfigError, match=words):
                Tls(replace(client, **more))  # type: ignore[arg-type]

    def test_an_encrypted_key_does_not_ask(self, client: ZabbixConfig, tmp_path: Path) -> None:
        encrypted = tmp_path / "encrypted.key"
        assert client.tls_key_file
        openssl("pkey", "-in", client.tls_key_file, "-aes256", "-passout", "pass:secret", "-out", encrypted)
        encrypted.chmod(0o600)
        with pytest.raises(ConfigError, match=f"^tls_key_file: {encrypted} is encrypted; decrypt it: openssl pkey -in"):
            Tls(replace(client, tls_key_file=encrypted))
