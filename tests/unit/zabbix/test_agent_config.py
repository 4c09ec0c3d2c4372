import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.waits import within
from usbrh.config import ZabbixConfig, load
from usbrh.errors import ConfigError
from usbrh.zabbix.agent_config import PARAMETERS, effective

FULL = """\
# The file of Debian begins like this
PidFile=/run/zabbix/zabbix_agentd.pid
Server=192.0.2.0/24
  ServerActive = zabbix.example:10052 , node1;node2:1\t
Hostname=living-room-pc,second
SourceIP=192.0.2.7
TLSConnect=cert
TLSAccept=cert,psk
TLSPSKIdentity=PSK 001 = mine
TLSPSKFile=/etc/zabbix/psk
TLSCAFile=/etc/zabbix/ca.pem
TLSCRLFile=/etc/zabbix/crl.pem
TLSServerCertIssuer=CN=CA,O=Example
TLSServerCertSubject=CN=server,O=Example
TLSCertFile=/etc/zabbix/cert.pem
TLSKeyFile=/etc/zabbix/key.pem
Plugins.SystemRun.LogRemoteCommands=0
UserParameter=x[*],echo "$1"
"""


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return tmp_path / "zabbix_agentd.conf"


def from_agent(path: Path, text: str) -> ZabbixConfig:
    path.write_text(text)
    return effective(ZabbixConfig(agent_config=path))


def test_everything(agent: Path) -> None:
    assert from_agent(agent, FULL) == ZabbixConfig(
        agent_config=agent,
        servers=("zabbix.example:10052", "node1;node2:1"),
        host="living-room-pc",
        source_ip="192.0.2.7",
        tls_connect="cert",
        tls_psk_identity="PSK 001 = mine",
        tls_psk_file=Path("/etc/zabbix/psk"),
        tls_ca_file=Path("/etc/zabbix/ca.pem"),
        tls_crl_file=Path("/etc/zabbix/crl.pem"),
        tls_server_cert_issuer="CN=CA,O=Example",
        tls_server_cert_subject="CN=server,O=Example",
        tls_cert_file=Path("/etc/zabbix/cert.pem"),
        tls_key_file=Path("/etc/zabbix/key.pem"),
    )
    assert {line.partition("=")[0].strip() for line in FULL.splitlines()} > set(PARAMETERS)


def test_it_knows_where_each_stands(agent: Path) -> None:
    assert from_agent(agent, FULL).origin["host"] == f"{agent}, line 5"


def test_our_own_keys_win(agent: Path, tmp_path: Path) -> None:
    agent.write_text(FULL)
    toml = tmp_path / "usbrh.toml"
    toml.write_text('[zabbix]\nagent_config = "zabbix_agentd.conf"\ntls_connect = "unencrypted"\nservers = ["other"]')
    zabbix = effective(load(toml, {"USBRH_ZABBIX_HOST": "third"}).zabbix)
    assert (zabbix.servers, zabbix.host, zabbix.tls_connect) == (("other",), "third", "unencrypted")
    assert zabbix.source_ip == "192.0.2.7"
    assert zabbix.origin["tls_connect"] == f"{toml}, line 3"
    assert zabbix.origin["host"] == "USBRH_ZABBIX_HOST"


def test_without_an_agent() -> None:
    zabbix = effective(ZabbixConfig(servers=("a",)))
    assert zabbix.host == socket.gethostname()
    assert zabbix.origin["host"] == "the name of this machine"
    assert effective(ZabbixConfig(host="named")).host == "named"


def test_the_last_one_counts_and_an_empty_one_does_not(agent: Path) -> None:
    assert from_agent(agent, "ServerActive=a\nServerActive=b\nHostname=\n").servers == ("b",)
    assert from_agent(agent, "Hostname=\n").host == socket.gethostname()


class TestInclude:
    def test_file_glob_and_directory(self, agent: Path) -> None:
        for name, text in {
            "one.conf": "ServerActive=one",
            "d/b.conf": "Hostname=b",
            "d/a.conf": "Hostname=a\nInclude=../one.conf",
            "d/c.txt": "Hostname=c",
            "e/.hidden": "SourceIP=192.0.2.9",
            "e/deeper/x.conf": "Hostname=x",
        }.items():
            path = agent.parent / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        zabbix = from_agent(agent, f"Include={agent.parent}/d/*.conf\nInclude=e\nInclude=\n")
        assert (zabbix.servers, zabbix.host, zabbix.source_ip) == (("one",), "b", "192.0.2.9")
        assert zabbix.origin["servers"].endswith("one.conf, line 1")
        assert from_agent(agent, "Include=d/*\n").host == "c"
        assert from_agent(agent, "Include=d/*.none\n").servers == ()

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Include=none.conf", "line 1: Include=.*none.conf: No such file or directory; see: ls -ld"),
            ("Include=/dev/null", "line 1: Include=/dev/null: neither a file nor a directory"),
            ("#\nInclude=none/*.conf", "agentd.conf, line 2: Include=.*: No such file or directory"),
            ("Include=*/x.conf", "line 1: Include=.*: No such file or directory"),
            ("Include=zabbix_agentd.conf", "more than 10 levels deep"),
            ("Include=.\nInclude=.", "more than 10 levels deep"),
        ],
    )
    def test_what_can_not_be_included(self, agent: Path, text: str, words: str) -> None:
        with pytest.raises(ConfigError, match=words):
            from_agent(agent, text)

    def test_many_files(self, agent: Path) -> None:
        folder = agent.parent / "d"
        folder.mkdir()
        for n in range(40):
            (folder / f"{n}.conf").write_text("Include=../e\n" * 40)
        (agent.parent / "e").mkdir()
        (agent.parent / "e" / "x").write_text("")
        with pytest.raises(ConfigError, match="more than 1000 files"):
            from_agent(agent, "Include=d")

    @pytest.mark.parametrize(("more", "accepted"), [(0, True), (1, False)])
    def test_the_number_of_files_with_the_first_one(self, agent: Path, more: int, accepted: bool) -> None:
        (agent.parent / "e").mkdir()
        (agent.parent / "e" / "x").write_text("Hostname=a\n")
        text = "Include=e\n" * (999 + more)
        if accepted:
            assert from_agent(agent, text).host == "a"
        else:
            with pytest.raises(ConfigError, match="more than 1000 files"):
                from_agent(agent, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ServerActive=a\n\nfoo\n", r'line 3: not "parameter=value" and not a comment; see: sed -n 3p [^ ]*$'),
        ("ServerActive=a:b", "line 1: ServerActive must be addresses of Zabbix servers"),
        ("ServerActive=a,a", "line 1: ServerActive must be .* given twice"),
        ("Hostname=a/b", "line 1: Hostname must be the name of a Zabbix host"),
        ("SourceIP=here", "line 1: SourceIP must be an IPv4 or IPv6 address"),
        ("TLSConnect=psk,cert", "line 1: TLSConnect must be"),
        # zabbix_sender rejects this too: 'parameter "TLSPSKFile" is defined, but neither "TLSConnect" ...'
        ("TLSAccept=psk\nTLSPSKFile=/x", r"line 2: tls_psk_file is set, but tls_connect \(TLSConnect\) is not; set it"),
    ],
)
def test_errors_name_file_and_line(agent: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{agent}, {words}"):
        from_agent(agent, text)


def test_unreadable(agent: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        effective(ZabbixConfig(agent_config=agent))
    agent.write_bytes(b"a=1\nHostname=\xe9\n")
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        effective(ZabbixConfig(agent_config=agent))
    agent.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigError, match="too large"):
        effective(ZabbixConfig(agent_config=agent))


def test_a_byte_order_mark_is_left_out(agent: Path) -> None:
    included = agent.with_name("included.conf")
    included.write_text("\ufeffHostname=b\r\n")
    zabbix = from_agent(agent, f"\ufeffServerActive=a\r\nInclude={included}\r\n")
    assert (zabbix.servers, zabbix.host) == (("a",), "b")


def test_only_regular_files_are_read(agent: Path) -> None:
    os.mkfifo(agent)
    for path in (agent, Path("/dev/zero")):
        with within(5), pytest.raises(ConfigError, match="can't be read: not a regular file"):
            effective(ZabbixConfig(agent_config=path))
    folder = agent.with_name("d")
    folder.mkdir()
    agent.rename(folder / "pipe.conf")
    for include in ("d", "d/*.conf"):
        with within(5):
            assert from_agent(agent, f"Include={include}\nHostname=a\n").host == "a", "as the agent, which ignores it"
    with within(5), pytest.raises(ConfigError, match="neither a file nor a directory"):
        from_agent(agent, "Include=d/pipe.conf\n")


def test_tls_without_a_word_on_using_it() -> None:
    with pytest.raises(ConfigError, match=r"^tls_ca_file: tls_ca_file is set, but tls_connect"):
        effective(ZabbixConfig(tls_ca_file=Path("/x")))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.binary(),
        st.lists(st.tuples(st.sampled_from([*PARAMETERS, "Include", "Other"]), st.text())).map(
            lambda lines: "\n".join(f"{name}={value}" for name, value in lines).encode()
        ),
    )
)
def test_whatever_the_file_holds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fuzzed" / "agentd.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    message = ""
    try:
        effective(ZabbixConfig(agent_config=path))
    except ConfigError as error:
        message = str(error)
    assert message.isprintable()
