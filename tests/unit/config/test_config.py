import os
import re
import string
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.waits import within
from usbrh.config import BridgeConfig, Config, JournalConfig, OutputConfig, SensorConfig, ZabbixConfig, load
from usbrh.config.model import key_types
from usbrh.config.value_types import InvalidValue, SensorName
from usbrh.errors import ConfigError

FULL = """\
# everything there is
[zabbix]
agent_config = "agentd.conf"
servers = ["zabbix.example:10051", "node1;node2"]
host = "living-room-pc"
source_ip = "192.0.2.1"
timeout = "20s"
compression = true
url = "https://zabbix.example/zabbix"
token_file = "/etc/usbrh/token"
autoregister = true
metadata = "usbrh greenhouse"
tls_connect = "psk"
tls_psk_identity = "PSK 001"
tls_psk_file = "/etc/usbrh/psk"
tls_ca_file = "ca.pem"
tls_crl_file = "crl.pem"
tls_server_cert_issuer = "CN=CA"
tls_server_cert_subject = "CN=server"
tls_cert_file = "cert.pem"
tls_key_file = "key.pem"

[bridge]
interval = "5m"
align = false
jitter = 2.5

[journal]
path = "journal.db"
keep = "52w"
max_waiting = 1000

[output]
units = "fahrenheit"

[sensor."1-1.4"]
name = "living-room"
coefficients = "v4"
supply = 3.3
temperature_offset = -0.5
temperature_scale = 1.01
humidity_offset = 2
humidity_scale = 0.99
spike = "5"
led = {red = 1, green = 2}

[sensor.5203199]
name = "居間 1"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "usbrh.toml"
        path.write_text(text)
        return path

    return write


def test_every_key(write: Callable[[str], Path]) -> None:
    path = write(FULL)
    config = load(path, {})
    assert config.zabbix == ZabbixConfig(
        agent_config=path.parent / "agentd.conf",
        servers=("zabbix.example:10051", "node1;node2"),
        host="living-room-pc",
        source_ip="192.0.2.1",
        timeout=20.0,
        compression=True,
        url="https://zabbix.example/zabbix",
        token_file=Path("/etc/usbrh/token"),
        autoregister=True,
        metadata="usbrh greenhouse",
        tls_connect="psk",
        tls_psk_identity="PSK 001",
        tls_psk_file=Path("/etc/usbrh/psk"),
        tls_ca_file=path.parent / "ca.pem",
        tls_crl_file=path.parent / "crl.pem",
        tls_server_cert_issuer="CN=CA",
        tls_server_cert_subject="CN=server",
        tls_cert_file=path.parent / "cert.pem",
        tls_key_file=path.parent / "key.pem",
    )
    assert config.bridge == BridgeConfig(interval=300.0, align=False, jitter=2.5)
    assert config.journal == JournalConfig(path=path.parent / "journal.db", keep=364 * 86400.0, max_waiting=1000)
    assert config.output == OutputConfig(units="fahrenheit")
    assert config.sensor["1-1.4"] == SensorConfig(
        name="living-room",
        coefficients="v4",
        supply=3.3,
        temperature_offset=-0.5,
        temperature_scale=1.01,
        humidity_offset=2.0,
        humidity_scale=0.99,
        spike=5.0,
        led={"red": 1, "green": 2},
    )
    assert config.sensor["5203199"].name == "居間 1"
    assert config.path == path
    for section in (config.zabbix, config.bridge, config.journal, config.output, config.sensor["1-1.4"]):
        unset = [item.name for item in fields(section) if getattr(section, item.name) == item.default]
        assert not unset, "a key was added without a line in FULL"


def test_the_mark_that_editors_of_windows_put_first(tmp_path: Path) -> None:
    path = tmp_path / "usbrh.toml"
    path.write_text(FULL, encoding="utf-8-sig")
    assert load(path, {}).bridge.interval == 300.0


def test_defaults_are_right_values_themselves() -> None:
    for section in (ZabbixConfig, BridgeConfig, JournalConfig, OutputConfig, SensorConfig):
        for name, value_type in key_types(section).items():
            value = getattr(section(), name)
            if isinstance(value, int | float):
                assert value_type.from_toml(value) == value


ENVIRONMENT = {
    "USBRH_ZABBIX_AGENT_CONFIG": ("/x/agentd.conf", Path("/x/agentd.conf")),
    "USBRH_ZABBIX_SERVERS": ("a:1, n1;n2 ,[::1]:3", ("a:1", "n1;n2", "[::1]:3")),
    "USBRH_ZABBIX_HOST": ("other", "other"),
    "USBRH_ZABBIX_SOURCE_IP": ("::1", "::1"),
    "USBRH_ZABBIX_TIMEOUT": ("3", 3.0),
    "USBRH_ZABBIX_COMPRESSION": ("no", False),
    "USBRH_ZABBIX_URL": ("http://localhost", "http://localhost"),
    "USBRH_ZABBIX_TOKEN_FILE": ("/token", Path("/token")),
    "USBRH_ZABBIX_AUTOREGISTER": ("no", False),
    "USBRH_ZABBIX_METADATA": ("usbrh attic", "usbrh attic"),
    "USBRH_ZABBIX_TLS_CONNECT": ("cert", "cert"),
    "USBRH_ZABBIX_TLS_PSK_IDENTITY": ("2", "2"),
    "USBRH_ZABBIX_TLS_PSK_FILE": ("relative", Path("relative")),
    "USBRH_ZABBIX_TLS_CA_FILE": ("/b", Path("/b")),
    "USBRH_ZABBIX_TLS_CRL_FILE": ("/c", Path("/c")),
    "USBRH_ZABBIX_TLS_SERVER_CERT_ISSUER": ("CN=d", "CN=d"),
    "USBRH_ZABBIX_TLS_SERVER_CERT_SUBJECT": ("CN=e", "CN=e"),
    "USBRH_ZABBIX_TLS_CERT_FILE": ("/f", Path("/f")),
    "USBRH_ZABBIX_TLS_KEY_FILE": ("/g", Path("/g")),
    "USBRH_BRIDGE_INTERVAL": ("10s", 10.0),
    "USBRH_BRIDGE_ALIGN": ("1", True),
    "USBRH_BRIDGE_JITTER": ("500ms", 0.5),
    "USBRH_JOURNAL_PATH": ("/tmp/j.db", Path("/tmp/j.db")),
    "USBRH_JOURNAL_KEEP": ("1.5h", 5400.0),
    "USBRH_JOURNAL_MAX_WAITING": ("7", 7),
    "USBRH_OUTPUT_UNITS": ("fahrenheit", "fahrenheit"),
}


@pytest.mark.parametrize("text", ["", FULL])
def test_the_environment_wins(write: Callable[[str], Path], text: str) -> None:
    config = load(write(text), {name: value for name, (value, _) in ENVIRONMENT.items()})
    for name, (_, expected) in ENVIRONMENT.items():
        section, _, key = name.removeprefix("USBRH_").lower().partition("_")
        assert getattr(getattr(config, section), key) == expected, name
    assert config.zabbix.origin["host"] == "USBRH_ZABBIX_HOST"
    sections = {"zabbix": ZabbixConfig, "bridge": BridgeConfig, "journal": JournalConfig, "output": OutputConfig}
    variables = {f"USBRH_{name}_{key}".upper() for name, section in sections.items() for key in key_types(section)}
    assert variables == set(ENVIRONMENT)


@pytest.mark.parametrize("words", [("true", "false"), ("yes", "no"), ("on", "off"), ("1", "0"), ("Yes", "OFF")])
def test_the_words_for_true_and_false_in_the_environment(words: tuple[str, str]) -> None:
    found = [load(Path("/dev/null"), {"USBRH_BRIDGE_ALIGN": word}).bridge.align for word in words]
    assert found == [True, False]


def test_a_sensor_name_has_the_characters_that_zabbix_accepts() -> None:
    """In item keys, and in the parameters of an agent with UnsafeUserParameters=0."""
    accepted = set()
    for character in string.printable:
        with suppress(InvalidValue):
            accepted.add(SensorName().from_toml(f"a{character}b"))
    assert accepted == {f"a{character}b" for character in f"{string.ascii_letters}{string.digits} +-./:=^_"}


def test_an_empty_variable_is_an_absent_one(write: Callable[[str], Path]) -> None:
    assert load(write(FULL), {"USBRH_ZABBIX_HOST": "", "USBRH_CONFIG": ""}).zabbix.host == "living-room-pc"


def test_which_file(write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.config.loader.DEFAULT_PATH", tmp_path / "absent.toml")
    assert load(None, {}) == Config()
    usual = tmp_path / "usual.toml"
    usual.write_text('[zabbix]\nhost = "usual"')
    monkeypatch.setattr("usbrh.config.loader.DEFAULT_PATH", usual)
    assert load(None, {}).zabbix.host == "usual"
    path = write('[zabbix]\nhost = "by-variable"')
    environ = {"USBRH_CONFIG": str(path)}
    assert load(None, environ).zabbix.host == "by-variable"
    assert load(usual, environ).path == usual


WRONG = [
    ('[zabix]\nhost = "a"', 1, 'there is no section "zabix"; did you mean zabbix?'),
    ('[zabbix]\n\nhots = "a"', 3, 'there is no key "hots" in [zabbix]; did you mean host?'),
    ("[zabbix]\nqqqqqq = 1", 2, 'there is no key "qqqqqq" in [zabbix]'),
    ("zabbix = 3", 1, '"zabbix" must be a section; write [zabbix] on a separate line'),
    ("sensor = 3", 1, '"sensor" must be sections'),
    ("[sensor]\nx = 3", 2, '"sensor" must be a section'),
    ("[zabbix]\nhost = 5", 2, "host must be text in quotes, not a number"),
    ("[zabbix]\nhost = ''", 2, "host must not be empty"),
    ('[zabbix]\nhost = "a/b"', 2, "host must be the name of a Zabbix host"),
    ('[zabbix]\nhost = "a\\nb"', 2, "host must not contain control characters"),
    (f'[zabbix]\nhost = "{"a" * 129}"', 2, "host must be the name of a Zabbix host"),
    ("[zabbix]\nservers = 5", 2, "servers must be a list"),
    ("[zabbix]\nservers = [5]", 2, "servers must be text in quotes"),
    ('[zabbix]\nservers = [\n"a",\n"b:c"]', 2, 'servers must be addresses of Zabbix servers: "b:c" is not an address'),
    ('[zabbix]\nservers = ["a", "a"]', 2, "given twice"),
    ('[zabbix]\nsource_ip = "here"', 2, "source_ip must be an IPv4 or IPv6 address"),
    ("[zabbix]\ntimeout = 0.5", 2, "timeout must be 1s to 5m, not 0.5s"),
    ("[zabbix]\ncompression = 1", 2, "compression must be true or false, not a number"),
    ('[zabbix]\ntls_connect = "tls"', 2, 'tls_connect must be "unencrypted" or "psk" or "cert", not "tls"'),
    ("[zabbix]\ntls_connect = []", 2, "not a list"),
    ('[zabbix]\norigin = "x"', 2, 'there is no key "origin"'),
    (f'[zabbix]\ntls_psk_identity = "{"ä" * 65}"', 2, "tls_psk_identity must be at most 128 bytes long"),
    ("[bridge]\ninterval = 4", 2, "interval must be 5s to 1d, not 4s"),
    ('[bridge]\ninterval = "5 minutes"', 2, 'interval must be a time such as "60s"'),
    ("[bridge]\ninterval = nan", 2, "interval must be 5s to 1d, not nan"),
    ("[bridge]\ninterval = true", 2, "not true or false"),
    ("[bridge]\ninterval = 2026-11-22", 2, "not a date or time"),
    ("[journal]\nmax_waiting = 1.5", 2, "max_waiting must be a whole number"),
    ("[journal]\nmax_waiting = 0", 2, "max_waiting must be 1 to 1000000000, not 0"),
    ('[sensor."1-1.4"]\nsupply = 12', 2, "supply must be 2.5 to 5, not 12"),
    ('[sensor."1-1.4"]\nname = "a]b,c"', 2, "name must not contain , ] because Zabbix rejects"),
    ("[sensor.'1-1.4']\nname = 'a\"b'", 2, 'name must not contain " because Zabbix rejects'),
    ('[sensor."1-1.4"]\nname = "a\\u0007"', 2, "name must not contain control characters"),
    ('[sensor."1-1.4"]\nname = " a"', 2, "name must not begin or end with a space"),
    (f'[sensor."1-1.4"]\nname = "{"a" * 65}"', 2, "name must be at most 64 characters"),
    ('[sensor."1-1.4"]\nname = "all"', 2, 'name "all" would select all sensors, or a sensor by its number; choose'),
    ('[sensor."1-1.4"]\nname = "2"', 2, 'name "2" would select all sensors, or a sensor by its number'),
    ('[sensor."1-1.4"]\nspike = "0"', 2, "spike must be 0.1 to 100, not 0"),
    ('[sensor."1-1.4"]\nspike = "big"', 2, 'spike must be a number, not "big"'),
    ('[sensor."1-1.4"]\nspike = true', 2, "spike must be a number, not true or false"),
    ('[sensor."1-1.4"]\nname = "50% off"', 2, "name must not contain % because Zabbix rejects"),
    ('[sensor."1-1.4"]\nname = "1-1.5"', 2, 'name "1-1.5" looks like a port'),
    ('[sensor."1-1.4"]\nname = "E02A"\n[sensor.E02A]', 2, 'name "E02A" is the serial number of another sensor'),
    ('[sensor.E02A]\nname = "a"\n[sensor.E02B]\nname = "E02A"', 4, 'name "E02A" is the serial number of another'),
    ('[sensor."1-1.4"]\nname = "a"\n[sensor."1-1.5"]\nname = "a"', 4, 'name "a" is already the name of sensor "1-1.4"'),
    ('[sensor.x]\n[sensor."1-1.5"]\nname = "x"', 3, 'name "x" is already the name of sensor "x"'),
    ("[sensor.1-1.4]\nname = 'a'", 1, 'a port with a "." needs quotes; write [sensor."1-1.4"]'),
    ('[sensor."a,b"]', 1, "a sensor's port or serial number must not contain ,"),
    ('[sensor."1-1"]\nnmae = "a"', 2, 'there is no key "nmae" in [sensor."1-1"]; did you mean name?'),
    ('[sensor."1-1"]\nled = {red = 3}', 2, "led must be a table of words and LED numbers"),
    ('[sensor."1-1"]\nled = "always"', 2, 'red = 1, green = 2}, or "measuring"'),
    ('[sensor."1-1"]\nled = {"1" = 1}', 2, "led must be a table of words and LED numbers"),
    ('[zabbix]\nhost = "a"\nhost = "b"', 3, "invalid TOML: cannot overwrite a value"),
    ('[zabbix]\nhost = "a', 2, "invalid TOML"),
    ("[zabbix]\nhost", 2, "invalid TOML"),
    ('[zabbix]\n# \'\n"hots" = "a"', 3, 'there is no key "hots"'),
    ("zabbix.host = 3", 1, "host must be text"),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG)
def test_errors_name_file_line_and_remedy(write: Callable[[str], Path], text: str, line: int, words: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{path}, line {line}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ('[zabbix]\nhost = "a;b"', 'up to 128), not "a;b"', None),
        ('[zabix]\nhost = "a"', 'there is no section "zabix"', "did you mean zabbix?"),
        ('[zabbix]\nservers = ["a:b"]', '"a:b" is not an address', "write host, host:port or [IPv6]:port"),
        ('[sensor."1-1"]\nname = "all"', "by its number", "choose another name"),
    ],
)
def test_the_remedy_is_apart(write: Callable[[str], Path], text: str, message: str, remedy: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text), {})
    assert caught.value.message.endswith(message)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("USBRH_BRIDGE_INTERVAL", "1", "USBRH_BRIDGE_INTERVAL must be 5s to 1d, not 1s"),
        ("USBRH_JOURNAL_MAX_WAITING", "many", "must be a whole number"),
        ("USBRH_ZABBIX_COMPRESSION", "perhaps", "must be true or false"),
        ("USBRH_ZABBIX_SERVERS", "a,", "must not be empty"),
        ("USBRH_ZABBIX_SERVER", "a", "did you mean USBRH_ZABBIX_SERVERS?"),
    ],
)
def test_errors_of_the_environment(variable: str, value: str, words: str, write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        load(write(""), {variable: value})


def test_other_variables_are_left_alone(write: Callable[[str], Path]) -> None:
    # Kubernetes sets the second one in every container if a service has the name usbrh-zabbix.
    environ = {"USBRH_SIMULATE": "3", "USBRH_ZABBIX_SERVICE_HOST": "10.0.0.1", "USBRH_ZABBIX_PASSWORD": "x"}
    assert load(write(""), environ).zabbix == ZabbixConfig()


def test_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml: can't be read: No such file or directory; see: ls -l"):
        load(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load(tmp_path, {})
    with pytest.raises(ConfigError, match="can't be read"):
        load(Path("a\0b"), {})
    (tmp_path / "latin1").write_bytes(b'[zabbix]\nhost = "caf\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin1, line 2: not UTF-8; convert the file with iconv"):
        load(tmp_path / "latin1", {})
    (tmp_path / "large").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigError, match="too large"):
        load(tmp_path / "large", {})


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), Path("/dev/tty")):
        with within(5), pytest.raises(ConfigError, match="can't be read: not a regular file"):
            load(path, {})
    assert load(Path("/dev/null"), {}) == Config(path=Path("/dev/null"))


def test_a_large_configuration_is_loaded_fast(write: Callable[[str], Path]) -> None:
    """The bound is 0.2 s on an idle machine; here it distinguishes linear from quadratic (20 s) under high load."""
    sections = "".join(f'[sensor."1-{number}"]\nname = "room {number}"\nsupply = 3.3\n' for number in range(1000))
    for text in (f'[zabbix]\nhost = "a"\nservers = ["b"]\n{sections}', f"{sections}[bridge]\nspeed = 1\n"):
        path = write(text)
        begin = time.process_time()
        with suppress(ConfigError):  # the second one has an error, whose line has to be found
            load(path, {})
        assert time.process_time() - begin < 1


@pytest.mark.parametrize("line", [" " * 1_000_000, '#"' * 400_000, "[" * 1_000_000])
def test_no_line_takes_long(write: Callable[[str], Path], line: str) -> None:
    path = write(f"[bridge]\nspeed = 1\n{line}")
    begin = time.process_time()
    with pytest.raises(ConfigError, match="line"):
        load(path, {})
    assert time.process_time() - begin < 5


def test_nothing_can_be_changed(write: Callable[[str], Path]) -> None:
    config = load(write(FULL), {})
    with pytest.raises(TypeError):
        config.sensor["x"] = SensorConfig()  # type: ignore[index]
    with pytest.raises(TypeError):
        config.sensor["1-1.4"].led_names["red"] = 2  # type: ignore[index]


KEYS = sorted(
    {
        key
        for section in (ZabbixConfig, BridgeConfig, JournalConfig, OutputConfig, SensorConfig)
        for key in key_types(section)
    }
)
VALUES = st.one_of(
    st.sampled_from(["true", "1979-05-27", "nan", "-inf", '""', "[]", "{}", '"60s"', '["a"]', '"psk"', "{a = 1}"]),
    st.integers().map(str),
    st.floats().map(str),
    st.text().map(lambda text: f'"{text}"'),
)
LINES = st.one_of(
    st.tuples(st.sampled_from(KEYS), VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.sampled_from(["[zabbix]", "[bridge]", "[journal]", '[sensor."1-1.4"]', "[sensor.a]", "[[zabbix]]", '"""', "["]),
    st.text(),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.one_of(st.lists(LINES).map(lambda lines: "\n".join(lines).encode()), st.binary()))
def test_whatever_the_file_holds(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fuzzed.toml"
    path.write_bytes(content)
    message = ""
    try:
        load(path, {})
    except ConfigError as error:
        message = str(error)
    assert message.isprintable(), "one line, and nothing that could move a terminal's cursor"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ENVIRONMENT)), st.text()))
def test_whatever_the_environment_holds(environ: dict[str, str]) -> None:
    message = ""
    try:
        load(Path("/dev/null"), environ)
    except ConfigError as error:
        message = str(error)
    assert message.isprintable()


@pytest.mark.parametrize("text", ["[" * 5000, "a = " + "[" * 5000, "a = " + "9" * 5000, "a." * 5000 + "b = 1"])
def test_what_is_too_deep_or_too_long(write: Callable[[str], Path], text: str) -> None:
    with pytest.raises(ConfigError):
        load(write(text), {})


def test_led_is_a_table_of_names_or_the_word_measuring(tmp_path: Path) -> None:
    path = tmp_path / "usbrh.toml"
    path.write_text('[sensor.sim-1]\nled = "measuring"\n[sensor.sim-2]\nled = {red = 1}\n')
    sensors = load(path, {}).sensor
    assert (sensors["sim-1"].measuring_led, sensors["sim-1"].led_names) == (True, {})
    assert (sensors["sim-2"].measuring_led, sensors["sim-2"].led_names) == (False, {"red": 1})
