"""The checks of the way to Zabbix: name and port, TLS, and an answer, for each node of each destination."""

from collections.abc import Iterator

from usbrh.clock import Deadline
from usbrh.config import Config
from usbrh.config.addresses import Address, Destination, parse_destinations
from usbrh.doctor.findings import Finding, fault, not_checked, of_error, ok, warning
from usbrh.errors import ConfigError, ZabbixUnreachable
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.sender import Sender

CHECKS = ("server", "TLS", "round trip")
_TIMEOUT = 10.0
"""s for one node, with everything."""


def servers(config: Config) -> Iterator[Finding]:
    """Each node of each destination, by a request without a value: nothing gets into Zabbix."""
    try:
        settings = effective(config.zabbix)
        destinations = parse_destinations(settings.servers)
    except ConfigError as error:
        yield of_error("server", error)
        yield from (not_checked(check, "the server is not known") for check in CHECKS[1:])
        return
    if not destinations:
        if "servers" in settings.origin:
            yield ok("server", "servers is empty: readings stay in the journal, where the Zabbix agent finds them")
        else:
            yield not_checked("server", "none is configured: servers or agent_config in [zabbix]")
        return
    for destination in destinations:
        try:
            sender = Sender(destination, settings)
        except ConfigError as error:
            yield of_error("TLS", error)
            continue
        ways = [(node, *_walk(sender, node)) for node in destination.nodes]
        works = any(not problem for _, _, problem in ways)
        for node, done, problem in ways:
            yield from _findings(destination, node, settings.tls_connect, done, problem, cluster_works=works)


def _walk(sender: Sender, node: Address) -> tuple[list[str], str]:
    """How far it goes to ``node``, and what stops it."""
    done: list[str] = []
    try:
        done.extend(sender.probe(node, Deadline(_TIMEOUT)))  # what was done before a failure stays in the list
    except ZabbixUnreachable as error:
        return done, str(error)
    return done, ""


def _findings(
    destination: Destination, node: Address, tls: str, done: list[str], problem: str, *, cluster_works: bool
) -> Iterator[Finding]:
    said = {
        "server": f"{node}: connected",
        "TLS": f"{node}: encrypted ({tls})",
        "round trip": f"{node}: Zabbix answers",
    }
    mend = {
        "server": f"see: getent hosts {node.host}; nc -vz {node.host} {node.port}",
        "TLS": "compare tls_… in [zabbix] with the encryption of the host in Zabbix",
        "round trip": f"see whether {node} is a Zabbix server or proxy, and its log",
    }
    failed = False
    for check in CHECKS:
        if failed:
            yield not_checked(check, f"{node}: see above")
        elif check in done:
            yield ok(check, said[check])
        elif check == "TLS" and tls == "unencrypted":
            yield ok(check, f"{node}: not used (tls_connect)")
        else:
            failed = True
            words = f"{node}: {problem}"
            if cluster_works and len(destination.nodes) > 1:
                yield warning(check, f"{words}; another node of the cluster works", mend[check])
            else:
                yield fault(check, words, mend[check], ZabbixUnreachable.exit_status)
