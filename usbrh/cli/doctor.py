"""``usbrh doctor``."""

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.findings import exit_status, show
from usbrh.config import Config
from usbrh.doctor import examine
from usbrh.errors import ConfigError


@click.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per finding and line.")
@pass_context
def doctor(context: Context, as_json: bool) -> None:
    """Check everything between the sensor and Zabbix.

    Each line shows "ok", "warning", "fault" or "not checked", and the command that fixes the problem. Nothing is
    changed. The exit status is 0 without a fault, and otherwise that of the first fault. Root sees more than other
    users.
    """
    config: Config | ConfigError
    try:
        config = context.config
    except ConfigError as error:
        config = error
    if status := exit_status(show(examine(config), as_json=as_json)):
        raise SystemExit(status)
