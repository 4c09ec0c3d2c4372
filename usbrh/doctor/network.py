"""The checks of the route to Zabbix: name and port, TLS, and an answer, for each node of each destination."""

from collections.abc import Iterator

from usbrh.bridge.diagnosis import CHECKS, SERVER, TLS, findings, probe_nodes
from usbrh.config import Config
from usbrh.config.addresses import parse_destinations
from usbrh.errors import ConfigError
from usbrh.findings import Finding, not_checked, of_error, ok
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.sender import Sender


def servers(config: Config) -> Iterator[Finding]:
    """Check each node of each destination with a request that has no value, so Zabbix stores nothing."""
    try:
        settings = effective(config.zabbix)
        destinations = parse_destinations(settings.servers)
    except ConfigError as error:
        yield of_error(SERVER, error)
        yield from (not_checked(check, "the server is not known") for check in CHECKS[1:])
        return
    if not destinations:
        if "servers" in settings.origin:
            yield ok(SERVER, "servers is empty: readings stay in the journal, where the Zabbix agent finds them")
        else:
            yield not_checked(SERVER, "none is configured: servers or agent_config in [zabbix]")
    for destination in destinations:
        try:
            sender = Sender(destination, settings)
        except ConfigError as error:
            yield of_error(TLS, error)
        else:
            yield from findings(probe_nodes(sender), settings.tls_connect)
