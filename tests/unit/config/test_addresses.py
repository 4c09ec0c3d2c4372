import pytest

from usbrh.config.addresses import Address, Destination, parse_destinations
from usbrh.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("zabbix.example", "zabbix.example", 10051),
        ("zabbix.example:10052", "zabbix.example", 10052),
        (" 192.0.2.1:1 ", "192.0.2.1", 1),
        ("[2001:db8::1]:10052", "2001:db8::1", 10052),
        ("[::1]", "::1", 10051),
        ("2001:db8::1", "2001:db8::1", 10051),
        ("fe80::1%eth0", "fe80::1%eth0", 10051),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)
    assert Address.parse(str(Address.parse(text))) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":10051",
        "a:",
        "a:0",
        "a:65536",
        "a:b",
        "a b",
        "[::1",
        "::1]",
        "[a]:1",
        "1:2:3",
        "a/24",
        "[::1]:",
        "a:１",
    ],
)
def test_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"address|port"):
        Address.parse(text)


def test_cluster() -> None:
    destination = Destination.parse(" n1 ; n2:7 ;[::1]:8 ")
    assert str(destination) == "n1 ; n2:7 ;[::1]:8"
    assert destination.nodes == (Address("n1"), Address("n2", 7), Address("::1", 8))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("zabbix.example", "zabbix.example"),
        ("zabbix.example:10051", "zabbix.example"),
        ("Zabbix.EXAMPLE:10051", "zabbix.example"),
        ("zabbix.example:00007", "zabbix.example:7"),
        ("zabbix.example.", "zabbix.example"),
        ("zabbix.example.:7", "zabbix.example:7"),
        ("zabbix.", "zabbix."),  # a search list does not apply to it
        ("192.0.2.1:10051", "192.0.2.1"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[2001:DB8:0:0::0001]:10051", "[2001:db8::1]"),
        ("[2001:0db8::1]:7", "[2001:db8::1]:7"),
        ("fe80:0::1%Eth0", "[fe80::1%Eth0]"),
        ("::FFFF:192.0.2.1", "[::ffff:192.0.2.1]"),
        ("[::ffff:c000:201]", "[::ffff:192.0.2.1]"),
        (" b ; A:7", "a:7;b"),
        ("[::1];b:10051;a", "[::1];a;b"),
    ],
)
def test_the_name_of_a_destination_does_not_depend_on_its_spelling(text: str, name: str) -> None:
    assert Destination.parse(text).name == name
    assert Destination.parse(name).name == name


def test_the_connection_uses_the_dot_of_an_absolute_name() -> None:
    assert Destination.parse("zabbix.example.").nodes == (Address("zabbix.example."),)


@pytest.mark.parametrize(
    "entries",
    [("a", "a:10051"), ("a", "A"), ("a.b", "a.b."), ("::1", "[0::1]:10051"), ("a;b", "b"), ("a;a",)],
)
def test_a_node_is_given_once(entries: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="given twice"):
        parse_destinations(entries)
