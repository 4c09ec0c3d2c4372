"""``usbrh config check``: everything that ``send``, ``run``, ``agent`` and ``provision`` would reject later.

It needs no sensor and no network. Root checks the files as the user who owns the folder of the journal: the service
runs as this user, and can't read what only root can read.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

from usbrh.bridge.once import reject_simulated, routes
from usbrh.config import Config
from usbrh.config.addresses import check_url
from usbrh.config.secret_file import exposure
from usbrh.config.toml_source import read_text
from usbrh.config.value_types import HostName, InvalidValue
from usbrh.doctor.service import configuration
from usbrh.errors import ConfigError, JournalError, UsbrhError
from usbrh.findings import Finding, Status, fault, not_checked, of_error, ok, warning
from usbrh.journal.owner import as_owner
from usbrh.journal.reader import JournalReader
from usbrh.system.paths import stat_or_none
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.tls import Tls

ZABBIX, JOURNAL, SENSORS = "Zabbix", "journal", "sensors"


def examine(
    config: Config, errors: Sequence[ConfigError], environ: Mapping[str, str], allow_simulated: Callable[[], bool]
) -> Iterator[Finding]:
    """Check ``config``, whose keys with ``errors`` have their defaults.

    ``allow_simulated``: whether virtual sensors may be sent; raises ConfigError if the variable is wrong.
    """
    yield from (of_error("configuration", error) for error in errors)
    yield from (each for each in configuration(config, config) if not errors or each.status is not Status.OK)
    try:
        with as_owner(config.journal.path):
            found = [*_readable(config), *_zabbix(config), *_journal(config.journal.path)]
    except JournalError as error:
        found = [of_error(JOURNAL, error)]
    yield from found
    yield from _environment(config, environ, allow_simulated)


def _readable(config: Config) -> Iterator[Finding]:
    """Check whether the user of the service can read the file too."""
    if config.path is not None:
        yield from _errors("configuration", lambda: read_text(config.path or Path()))


def _zabbix(config: Config) -> Iterator[Finding]:
    found = list(_errors(ZABBIX, lambda: routes(config)))
    try:
        settings = effective(config.zabbix)
    except ConfigError:
        yield from found  # it has the same error
        return
    if settings.tls_connect != "unencrypted" and not settings.servers:  # the routes have not used it
        found += _errors(ZABBIX, lambda: Tls(settings))
    try:
        HostName().from_toml(settings.host)
    except InvalidValue:
        message = f'the name of this machine, "{settings.host}", can\'t be the name of a host in Zabbix'
        found.append(fault(ZABBIX, message, "set host in [zabbix]", ConfigError.exit_status))
    if settings.source_ip and not _is_ours(settings.source_ip):
        message = f"{settings.origin.get('source_ip', 'source_ip')}: this machine does not have {settings.source_ip}"
        # Not a fault: while a machine starts, it may get the address later.
        found.append(warning(ZABBIX, message, "ip address shows its addresses"))
    yield from found or [ok(ZABBIX, f"host {settings.host}, encryption: {settings.tls_connect}")]


def _is_ours(address: str) -> bool:
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _journal(path: Path) -> Iterator[Finding]:
    unseen = not_checked(JOURNAL, f"this user can't use {path}; sudo usbrh config check can check it")
    try:
        found = stat_or_none(path)
    except OSError:
        yield unseen
        return
    if found and not os.access(path, os.R_OK, effective_ids=True):
        yield unseen
        return
    problems = list(_errors(JOURNAL, lambda: JournalReader(path).standings()))
    folder = next((each for each in path.absolute().parents if stat_or_none(each)), Path("/"))
    if not problems and not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        if os.geteuid() == os.getuid() != 0:  # another user may run the service
            problems = [unseen]
        else:
            problems = [fault(JOURNAL, f"the user of the service can't write in {folder}", "sudo usbrh setup")]
    yield from problems or [ok(JOURNAL, f"{path}")]


def _environment(config: Config, environ: Mapping[str, str], allow_simulated: Callable[[], bool]) -> Iterator[Finding]:
    if url := config.zabbix.url:
        yield from _errors(ZABBIX, lambda: check_url(url))
    if token := config.zabbix.token_file:
        yield from _token(token)
    if simulate := environ.get("USBRH_SIMULATE"):
        from usbrh.simulator.script import models  # noqa: PLC0415 - only needed with USBRH_SIMULATE

        yield from _errors(SENSORS, lambda: reject_simulated(bool(models(simulate)), allow_simulated()))
    else:
        yield from _errors(SENSORS, allow_simulated)


def _token(path: Path) -> Iterator[Finding]:
    """Check the file of an API token, which only the commands of ``usbrh zabbix`` need."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        message = f"token_file: {path} can't be read: {error.strerror}"
        yield fault(ZABBIX, message, f"see: ls -l {path}", ConfigError.exit_status)
        return
    if exposed := exposure(mode):
        yield warning(ZABBIX, f"token_file: {path} is secret, and can {exposed}", f"chmod 600 {path}")


def _errors(check: str, action: Callable[[], object]) -> Iterator[Finding]:
    try:
        action()
    except UsbrhError as error:
        yield of_error(check, error)
