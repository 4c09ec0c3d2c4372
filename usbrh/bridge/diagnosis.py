"""Diagnosis of a destination: how far a request gets to each of its nodes. It has no value, so Zabbix stores nothing.

``usbrh doctor`` and ``usbrh zabbix check`` both use it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config.addresses import Address
from usbrh.errors import UsbrhError, ZabbixUnreachable
from usbrh.findings import Finding, fault, not_checked, ok, warning
from usbrh.zabbix.sender import Sender

SERVER, TLS, ROUND_TRIP = CHECKS = ("server", "TLS", "round trip")
"""The steps of ``Sender.probe``, in their order, which are also the names of the checks."""
PROBE_SECONDS = 10.0
"""s for one node, from resolving its name to its answer."""


@dataclass
class Probe:
    """How far a request got to one node."""

    node: Address
    passed: list[str] = field(default_factory=list)
    """The checks that succeeded."""
    error: ZabbixUnreachable | None = None
    """Why the next check failed."""


def probe_nodes(sender: Sender, clock: Clock = SYSTEM_CLOCK) -> list[Probe]:
    """Probe every node of the sender's destination; takes at most ``PROBE_SECONDS`` per node."""
    probes = []
    for node in sender.destination.nodes:
        probe = Probe(node)
        try:
            probe.passed.extend(sender.probe(node, Deadline(PROBE_SECONDS, clock)))  # keeps the steps before a failure
        except ZabbixUnreachable as error:
            probe.error = error
        probes.append(probe)
    return probes


def findings(probes: Sequence[Probe], tls_connect: str, tls_cause: UsbrhError | None = None) -> Iterator[Finding]:
    """The findings for all nodes of one destination.

    A node that fails is only a warning while another one works: standby nodes of a cluster do not listen.
    ``tls_cause``: why TLS fails, if the API showed it.
    """
    works = any(probe.error is None for probe in probes)
    success = {SERVER: "connected", TLS: f"encrypted ({tls_connect})", ROUND_TRIP: "Zabbix answers"}
    for probe in probes:
        node, error = probe.node, probe.error
        for check in CHECKS:
            if check in probe.passed:
                yield ok(check, f"{node}: {success[check]}")
            elif check == TLS and tls_connect == "unencrypted" and SERVER in probe.passed:
                yield ok(check, f'{node}: not used (tls_connect = "unencrypted")')
            elif error is None:
                yield not_checked(check, f"{node}: see above")
            else:
                cause = tls_cause if check == TLS and tls_cause else error
                yield _failed(check, node, cause, another_works=works)
                error = None


def _failed(check: str, node: Address, cause: UsbrhError, *, another_works: bool) -> Finding:
    remedy = (
        cause.remedy
        or {
            SERVER: f"check its name, port and firewall: getent hosts {node.host}; nc -vz {node.host} {node.port}",
            TLS: "compare tls_... in [zabbix] with the encryption settings of the host in Zabbix",
            ROUND_TRIP: f"check whether {node} is a Zabbix server or proxy, and read its log",
        }[check]
    )
    if another_works:
        message = f"{node}: {cause.message} (another node of the cluster works)"
        return warning(check, message, f"no action is needed for a standby node; otherwise {remedy}")
    return fault(check, f"{node}: {cause.message}", remedy, ZabbixUnreachable.exit_status)
