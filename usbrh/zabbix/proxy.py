"""The route to a front end: on this machine, or through a proxy from the environment."""

import os
import socket
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from requests.utils import get_environ_proxies, select_proxy


@dataclass(frozen=True)
class Proxy:
    """A proxy from the environment."""

    name: str
    """Its address without a login."""
    variable: str
    """The variable that sets it."""
    secrets: tuple[str, ...] = field(repr=False)
    """The login in its address."""


def environment_proxy(url: str) -> Proxy | None:
    """Return the proxy that requests uses for ``url``; None without one, or if ``no_proxy`` contains the host."""
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    login, _, address = proxy.rpartition("@")
    login = login.rpartition("//")[2]
    secrets = {login, unquote(login), login.partition(":")[2], unquote(login.partition(":")[2])} - {""}
    names = [name for each in (urlsplit(url).scheme, "all") for name in (f"{each}_proxy", f"{each}_proxy".upper())]
    variable = next((name for name in names if os.environ.get(name)), "the environment")
    return Proxy(address.rpartition("//")[2].rstrip("/"), variable, tuple(secrets))


def is_this_machine(host: str) -> bool:
    """Return whether ``host``, a name or an address, is this machine, so that nothing travels over a network."""
    if host in {"localhost", socket.gethostname().lower()} or host.endswith(".localhost"):
        return True
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            address = socket.getaddrinfo(host, 0, family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4]
            probe.bind(address)  # only an address of this machine can be bound
        except (OSError, UnicodeError):
            return False
    return True
