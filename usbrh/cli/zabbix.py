"""``usbrh zabbix``: the templates, and what a Zabbix needs for them, through its API."""

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from usbrh.bridge import check as checking
from usbrh.bridge import reconcile as comparing
from usbrh.bridge.once import open_journal, reject_simulated
from usbrh.cli.context import Context, pass_context
from usbrh.cli.parameters import DurationType
from usbrh.clock import SYSTEM_CLOCK, Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.kinds import DAY
from usbrh.config.secret_file import read_secret
from usbrh.errors import ConfigError, UsbrhError, ZabbixApiError, ZabbixRejected
from usbrh.journal.errors import is_there
from usbrh.journal.store import Journal
from usbrh.output import text as output
from usbrh.poller import Rounds
from usbrh.reading import counted, format_time
from usbrh.zabbix import provisioning
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.api import Api
from usbrh.zabbix.templates import METHODS, RELEASES, Method, template_text


@click.group()
def zabbix() -> None:
    """Set up and check what is in Zabbix."""


def api_options(command: Any) -> Any:
    """How to reach the API; secrets by file or environment only."""
    for option in (
        click.option("--token-file", type=click.Path(path_type=Path), help="File with an API token."),
        click.option("--password-file", type=click.Path(path_type=Path), help="File with the user's password."),
        click.option("--user", envvar="USBRH_ZABBIX_USER", show_envvar=True, help="User of the Zabbix front end."),
        click.option("--url", envvar="USBRH_ZABBIX_URL", show_envvar=True, help="Address of the Zabbix front end."),
    ):
        command = option(command)
    return command


def connect(url: str | None, user: str | None, password_file: Path | None, token_file: Path | None) -> Api:
    """A session by what is given, and by USBRH_ZABBIX_PASSWORD and USBRH_ZABBIX_TOKEN."""
    if not url:
        raise ConfigError("where is the Zabbix front end? give --url URL, or set USBRH_ZABBIX_URL")
    token = (read_secret(token_file) if token_file else os.environ.get("USBRH_ZABBIX_TOKEN", "")).strip()
    password = read_secret(password_file) if password_file else os.environ.get("USBRH_ZABBIX_PASSWORD")
    # What is named on the command line wins: a password file over a token of the environment.
    return Api(url, user=user, password=password, token=None if password_file and not token_file else token)


@zabbix.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def template(folder: Path) -> None:
    """Write the template files into FOLDER, for an import by hand.

    6.0 is for Zabbix 6.0 to 6.4, 7.0 for 7.0 and newer.
    """
    for release in RELEASES:
        for method in METHODS:
            name = f"{release[0]}.{release[1]}"
            path = folder / name / f"usbrh_{method.replace('-', '_')}.yaml"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(template_text(method, release), encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"can't write {path}: {error.strerror}") from None
            click.echo(path)


@zabbix.command()
@api_options
@click.option("--host", help="Technical name of the host.  [default: the configuration's, or this machine's name]")
@click.option("--group", default="USB hygrometers", show_default=True, help="Host group of a new host.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="trapper",
    show_default=True,
    help="How values reach Zabbix: sent by usbrh, asked for by the server, or sent by an agent.",
)
@click.option("--interface", metavar="ADDRESS[:PORT]", help="Where the server finds the agent.")
@click.option("--dry-run", is_flag=True, help="Show what would be done.")
@click.option("--force", is_flag=True, help="Overwrite what was changed by hand.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a step and line.")
@pass_context
def provision(
    context: Context,
    *,
    url: str | None,
    user: str | None,
    password_file: Path | None,
    token_file: Path | None,
    host: str | None,
    group: str,
    method: Method,
    interface: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Import the template and make the host, as far as they are missing.

    May be run again: what is there is left, and what somebody changed by hand is kept.
    """
    settings = effective(context.config.zabbix)
    address, port = _interface(interface)
    identity, key = _psk(settings)
    wanted = provisioning.Wanted(
        host=host or settings.host or "",
        group=group,
        method=method,
        address=address,
        port=port,
        psk_identity=identity,
        psk=key,
        interval=context.config.bridge.interval,
    )
    with connect(url, user, password_file, token_file) as api:
        steps = provisioning.plan(api, wanted, force=force)
        for step in steps if dry_run else provisioning.carry_out(steps):
            if as_json:
                done = "planned" if dry_run else "done"
                status = done if step.do else "kept" if step.kept else "ok"
                click.echo(output.json_line({"status": status, "step": step.text}))
                continue
            sign = "+" if step.do else "!" if step.kept else "="
            click.echo(f"{sign} {step.text}")
    if dry_run and any(step.do for step in steps):
        click.echo("Nothing was changed: a dry run.", err=True)


def _interface(text: str | None) -> tuple[str | None, int]:
    """Address and port of ``ADDRESS[:PORT]``, ``[v6]:PORT`` or a bare v6 address."""
    if not text:
        return None, provisioning.AGENT_PORT
    address, _, port = text.rpartition(":")
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], provisioning.AGENT_PORT
    if not address or (":" in address and not address.startswith("[")):
        return text, provisioning.AGENT_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise click.BadParameter(f"{port!r} is no port", param_hint="--interface")
    return address.strip("[]"), int(port)


def _psk(settings: ZabbixConfig) -> tuple[str | None, str | None]:
    if settings.tls_connect != "psk":
        return None, None
    from usbrh.zabbix.tls import pre_shared_key  # noqa: PLC0415 - ssl is slow to import

    identity, key = pre_shared_key(settings)
    return identity, key.hex()


@zabbix.command()
@api_options
@click.option(
    "--since",
    type=DurationType(60, 400 * DAY),
    metavar="TIME",
    help="Compare the journal of the last TIME (24h, 7d) with Zabbix, and send again what is missing there.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: a finding, with --since a sensor.")
@pass_context
def check(
    context: Context,
    *,
    url: str | None,
    user: str | None,
    password_file: Path | None,
    token_file: Path | None,
    since: float | None,
    as_json: bool,
) -> None:
    """Send a value to each destination, and read it back through the API.

    Says where the chain is broken: name, port, TLS, host, item, history. Without --url it ends with the sending.
    """
    with ExitStack() as stack:
        api = stack.enter_context(connect(url, user, password_file, token_file)) if url else None
        if since is None:
            _round_trip(context, api, as_json)
        elif api is None:
            raise click.UsageError("--since asks Zabbix for its history: give --url and a login.")
        else:
            _compare(context, api, since, as_json)


def _round_trip(context: Context, api: Api | None, as_json: bool) -> None:
    rounds = Rounds(context.config)
    rounds.refresh()
    if rounds.problem:  # sent as "0 sensors" it would be an alarm
        raise rounds.problem
    reject_simulated(rounds.simulated, context.allow_simulated)
    broken: UsbrhError | None = None
    for finding in checking.round_trip(context.config, api, len(rounds.sensors)):
        words = f"{finding.sign:4} {finding.text}" + (f": {finding.error}" if finding.error else "")
        click.echo(output.json_line(finding.to_dict()) if as_json else words)
        broken = broken or finding.error
    if broken:
        raise SystemExit(broken.exit_status)
    if api is None:
        click.echo("Not read back: give --url and a login for that.", err=True)


def _compare(context: Context, api: Api, since: float, as_json: bool) -> None:
    since_ns = time.time_ns() - int(since * 1e9)
    config = context.config
    if not is_there(config.journal.path):
        raise ConfigError(f"there is no journal {config.journal.path} to compare with")
    with open_journal(config) as journal:
        found = []
        for each in comparing.compare(config, api, journal, since_ns):
            if as_json:
                click.echo(output.json_line(each.to_dict()))
            else:
                _tell(each)
            found.append(each)
        lacking = [each for each in found if each.missing]
        if lacking:
            _send_again(context, api, journal, lacking, as_json)
    unknown = [each.sensor for each in found if each.times and not each.item and not each.left_out]
    if unknown:
        raise ZabbixApiError(f"not compared: {', '.join(unknown)}; usbrh zabbix provision links the template")


def _tell(each: comparing.Compared) -> None:
    if each.unsettled:
        click.echo(
            f"{each.sensor}: left out, waiting or rejected: {counted(each.unsettled)}; see: usbrh journal status"
        )
    if not each.times:
        return
    count = len(each.times)
    if each.left_out:
        click.echo(f"{each.sensor}: Zabbix takes its readings and keeps none, the template's macros leave it out")
    elif each.item is None:
        keys = f"neither usbrh.get[{each.sensor}] nor usbrh.state[{each.sensor}]"
        click.echo(f"{each.sensor}: the host keeps no history of it, {keys}")
    elif each.missing:
        span = f"from {format_time(each.missing[0])} to {format_time(each.missing[-1])}"
        click.echo(f"{each.sensor}: missing in {each.item['key_']}: {len(each.missing)} of {counted(count)}, {span}")
    else:
        click.echo(f"{each.sensor}: nothing is missing in {each.item['key_']}: {counted(count)}")


def _send_again(context: Context, api: Api, journal: Journal, lacking: list[comparing.Compared], as_json: bool) -> None:
    ids = [number for each in lacking for number in each.ids]
    results = comparing.send_again(context.config, journal, ids, allow_simulated=context.allow_simulated)
    problems = [problem for problem in results.values() if problem]
    if len(problems) == len(results):
        raise problems[0]
    click.echo(f"sent again: {counted(len(ids))}", err=as_json)
    deadline = Deadline(checking.STORE_SECONDS)
    while any(comparing.still_missing(api, each) for each in lacking):
        if deadline.passed:
            raise (
                problems[0]
                if problems
                else ZabbixRejected(
                    "they were taken again and are still not there; is the item's history period shorter than --since?"
                )
            )
        SYSTEM_CLOCK.sleep(1.0)
    click.echo("now they are there", err=as_json)
    for problem in problems:
        click.echo(f"another destination: {problem}", err=True)
