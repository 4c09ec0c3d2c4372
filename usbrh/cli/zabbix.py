"""``usbrh zabbix``: the templates, and the hosts that use them, through the API of a Zabbix."""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from usbrh.bridge import alert, announcement, reconcile
from usbrh.bridge import check as checking
from usbrh.bridge.once import open_journal
from usbrh.cli.context import Context, pass_context
from usbrh.cli.findings import exit_status, show
from usbrh.cli.help import Group
from usbrh.cli.parameters import DurationType
from usbrh.cli.steps import agree, run
from usbrh.config import ZabbixConfig
from usbrh.config.secret_file import read_secret
from usbrh.config.value_types import DAY
from usbrh.errors import ConfigError, ZabbixApiError
from usbrh.journal.reader import existing
from usbrh.output import text as output
from usbrh.reading import counted, format_time
from usbrh.steps import Step
from usbrh.system.files import write_regular
from usbrh.zabbix import autoregistration as enrolment
from usbrh.zabbix import provisioning
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.api import Api
from usbrh.zabbix.items import reading_key, state_key
from usbrh.zabbix.templates import LANGUAGES, METHODS, Language, Method, difference_from, template_files
from usbrh.zabbix.wanted import LIMITS, Wanted


@click.group(cls=Group)
def zabbix() -> None:
    """Set up Zabbix for the sensors, and check it."""


def api_options(command: Any) -> Any:
    """Add the options that ``connect`` accepts; secrets come from files or the environment only."""
    for option in (
        click.option("--token-file", type=click.Path(path_type=Path), help="File with an API token."),
        click.option("--password-file", type=click.Path(path_type=Path), help="File with the user's password."),
        click.option("--user", envvar="USBRH_ZABBIX_USER", show_envvar=True, help="User of the Zabbix front end."),
        click.option("--url", envvar="USBRH_ZABBIX_URL", show_envvar=True, help="Address of the Zabbix front end."),
    ):
        command = option(command)
    return command


def connect(
    settings: ZabbixConfig, url: str | None, user: str | None, password_file: Path | None, token_file: Path | None
) -> Api:
    """Log in with the given options, with USBRH_ZABBIX_PASSWORD or USBRH_ZABBIX_TOKEN, or with the configured token.

    Raises:
        ConfigError: the address or the login is missing, or a file can't be read.
        ZabbixUnreachable, ZabbixApiError: the login fails.
    """
    url = url or settings.url
    if not url:
        raise ConfigError(
            "the address of the Zabbix front end is missing", remedy="give --url URL, or set url in [zabbix]"
        )
    # The command line wins: a password file over a token from the environment.
    if token_file or password_file:
        token = read_secret(token_file).strip() if token_file else None
        password = read_secret(password_file) if password_file else None
        return Api(url, user=user, password=password, token=token)
    token, password = os.environ.get("USBRH_ZABBIX_TOKEN", "").strip(), os.environ.get("USBRH_ZABBIX_PASSWORD")
    if not token and not (user and password) and settings.token_file:
        token = read_secret(settings.token_file).strip()
    return Api(url, user=user, password=password, token=token)


def session(context: Context, stack: ExitStack, login: Mapping[str, Any]) -> Api | None:
    """The session that ``connect`` opens, closed with ``stack``; None without an address."""
    settings = context.config.zabbix
    return stack.enter_context(connect(settings, **login)) if login["url"] or settings.url else None


@zabbix.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--language", type=click.Choice(list(LANGUAGES)), default="en", show_default=True, help="Language of the templates."
)
@click.option("--force", is_flag=True, help="Replace files that differ, without asking.")
def template(folder: Path, language: Language, force: bool) -> None:
    """Write the template files into FOLDER, to import them by hand, and print their names.

    6.0 is for Zabbix 6.0 to 6.4, 7.0 for 7.0 and 7.2, 7.4 for 7.4 and newer. Asks before it replaces a file that you
    changed, or that another version wrote. Without a terminal such a file stays as it is, and the exit status is 1.
    """
    kept = False
    for path, text in template_files(folder, language):
        try:
            difference = "" if force else difference_from(path, text)
            question = f"{path} differs from the template of this version"
            if difference and not agree(Step(f"replace {path}", question=question, difference=difference)):
                click.echo(f"usbrh: {question}, and was not replaced; --force replaces it", err=True)
                kept = True
                continue
            write_regular(path, text.encode(), make_folders=True)
        except OSError as error:
            raise ConfigError(f"can't write {path}: {error.strerror}") from None
        click.echo(path)
    if kept:
        raise SystemExit(1)


@zabbix.command()
@api_options
@click.option("--host", help="Technical name of the host.  [default: the configuration's, or this machine's name]")
@click.option("--group", default="USB hygrometers", show_default=True, help="Host group of a new host.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="trapper",
    show_default=True,
    help="How values reach Zabbix: usbrh sends them, the server polls an agent, or an agent sends them.",
)
@click.option("--interface", metavar="ADDRESS[:PORT]", help="Address of the agent, for the server.")
@click.option(
    "--limits",
    type=click.Choice(list(LIMITS)),
    help="Whose thresholds to set on the host.  [default: the template's, for a server room]",
)
@click.option(
    "--language",
    type=click.Choice(list(LANGUAGES)),
    help="Language of the template.  [default: the one that it has in Zabbix, or en]",
)
@click.option(
    "--autoregistration",
    is_flag=True,
    help="Create no host, but the action that creates one for each machine with autoregister = true.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--force", is_flag=True, help="Overwrite what was changed by hand.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per step and line.")
@pass_context
def provision(
    context: Context,
    /,
    *,
    host: str | None,
    group: str,
    method: Method,
    interface: str | None,
    limits: str | None,
    language: Language | None,
    autoregistration: bool,
    dry_run: bool,
    force: bool,
    as_json: bool,
    **login: Any,
) -> None:
    """Import the template and create the host, if they are missing.

    It can be run again: it keeps what exists, and also what somebody changed by hand.
    """
    if autoregistration and (host or interface or limits):
        raise click.UsageError("--autoregistration creates no host: leave out --host, --interface and --limits.")
    wanted = Wanted.of(
        context.config,
        host=host,
        group=group,
        method=method,
        interface=interface,
        limits=limits,
        language=language,
    )
    with connect(context.config.zabbix, **login) as api:
        plan = enrolment.plan if autoregistration else provisioning.plan
        run(plan(api, wanted, force=force), dry_run=dry_run, as_json=as_json)


@zabbix.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per destination and line.")
@pass_context
def register(context: Context, /, *, as_json: bool) -> None:
    """Announce this host, so that an autoregistration action creates it.

    With autoregister = true in the configuration, send and run announce it by themselves.
    """
    findings = announcement.register(checking.required_routes(context.config), context.config.zabbix.metadata)
    if status := exit_status(show(findings, as_json=as_json)):
        raise SystemExit(status)


@zabbix.command()
@api_options
@click.option(
    "--since",
    type=DurationType(60, 400 * DAY),
    metavar="TIME",
    help="Compare the journal of the last TIME (24h, 7d) with Zabbix, and send again what is missing there.",
)
@click.option(
    "-j", "--json", "as_json", is_flag=True, help="Print one JSON object per finding and line, with --since per sensor."
)
@pass_context
def check(context: Context, /, *, since: float | None, as_json: bool, **login: Any) -> None:
    """Send a value to each destination, and read it back through the API.

    Shows where the route is broken: name, port, TLS, host, item, history. Without --url it only sends the value. The
    exit status is 0 without a fault, and otherwise that of the first fault.
    """
    with ExitStack() as stack:
        api = session(context, stack, login)
        if since is None:
            _round_trip(context, api, as_json)
        elif api is None:
            raise click.UsageError("--since reads the history of Zabbix: give --url and a login.")
        else:
            _compare(context, api, since, as_json)


def _round_trip(context: Context, api: Api | None, as_json: bool) -> None:
    sensors = checking.count_sensors(context.config, allow_simulated=context.allow_simulated)
    if status := exit_status(show(checking.round_trip(context.config, api, sensors), as_json=as_json)):
        raise SystemExit(status)
    if api is None:
        click.echo("The value was not read back; give --url and a login for that.", err=True)


def _compare(context: Context, api: Api, since: float, as_json: bool) -> None:
    since_ns = time.time_ns() - int(since * 1e9)
    config = context.config
    compared = []
    for each in reconcile.compare(config, api, existing(config.journal.path), since_ns):
        for line in [output.json_line(each.to_dict())] if as_json else _lines(each):
            click.echo(line)
        compared.append(each)
    if incomplete := [each for each in compared if each.missing]:
        with open_journal(config) as journal:
            errors = reconcile.send_again(config, journal, incomplete, allow_simulated=context.allow_simulated)
        click.echo(f"sent again: {counted(sum(len(each.missing) for each in incomplete))}", err=as_json)
        reconcile.wait_until_stored(api, incomplete, errors)
        click.echo("all of them are in Zabbix now", err=as_json)
        for error in errors:
            click.echo(f"another destination: {error}", err=True)
    if without_item := [each.sensor for each in compared if each.without_item]:
        raise ZabbixApiError(
            f"not compared: {', '.join(without_item)}", remedy="usbrh zabbix provision links the template"
        )


def _lines(each: reconcile.Compared) -> list[str]:
    lines = []
    if each.unsettled:
        lines.append(f"waiting or rejected, not compared: {counted(each.unsettled)} (see: usbrh journal status)")
    if each.left_out:
        lines.append("Zabbix accepts the readings and keeps no history: the template's macros exclude this sensor")
    elif each.without_item:
        lines.append(f"the host keeps no history of {reading_key(each.sensor)} or {state_key(each.sensor)}")
    elif each.item and each.missing:
        span = f"from {format_time(each.missing[0])} to {format_time(each.missing[-1])}"
        total = counted(len(each.times))
        lines.append(f"missing in {each.item['key_']}: {len(each.missing)} of {total}, {span}")
    elif each.item:
        lines.append(f"nothing is missing in {each.item['key_']}: {counted(len(each.times))}")
    return [f"{each.sensor}: {line}" for line in lines]


@zabbix.command("test-alert")
@api_options
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Time for the messages; without a login, time for which the problem lasts.",
)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per finding and line.")
@pass_context
def alert_test(context: Context, /, *, seconds: float, as_json: bool, **login: Any) -> None:
    """Prove that an alert reaches a person: raise a test problem, follow it, and clear it.

    With --url and a login, shows when the problem is visible, and for each message the action, the user, the media, and
    whether it was sent. Without, raises the problem and clears it.
    """
    with ExitStack() as stack:
        api = session(context, stack, login)
        routes = checking.required_routes(context.config)
        test = alert.TestAlert(routes, effective(context.config.zabbix).tls_connect, api, seconds)
        findings = stack.enter_context(closing(test.run()))  # Ctrl-C here must clear the problem too
        if status := exit_status(show(findings, as_json=as_json)):
            raise SystemExit(status)
