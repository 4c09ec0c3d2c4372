"""The plan of ``usbrh setup --remove``: everything that ``usbrh setup`` installed, except the journal."""

from collections.abc import Iterable, Sequence

from usbrh.setup import openrc
from usbrh.setup.actions import command, remove_account, remove_directory, remove_file
from usbrh.setup.agents import AGENT_FILE, AGENT_USER, agent_directory, agents
from usbrh.setup.init_systems import UNITS
from usbrh.setup.install import Plan, foreign_account, reload_udev
from usbrh.setup.machine import CONFIG, CRON, LATEST, STATE, USER, Machine
from usbrh.steps import Step
from usbrh.system.access import GROUP, RULE
from usbrh.system.paths import stat_or_none


def plan_removal(machine: Machine) -> Plan:
    """The steps that remove everything that setup installed, except the journal."""
    result = Plan()
    packaged = machine.packaged(f"udev/rules.d/{RULE}")
    services = _plan_services(machine, result)
    rule = _removals(machine, [f"/etc/udev/rules.d/{RULE}"], result)
    _removals(machine, [*_agent_files(machine, result), *([] if packaged else [CONFIG])], result)
    if stat_or_none(machine.path("/etc/usbrh")) and not packaged:
        result.steps.append(remove_directory(machine, "/etc/usbrh"))
    if rule:
        result.steps += reload_udev(machine)
    if services and machine.systemd_runs:
        result.steps.append(command(machine, "systemctl", "daemon-reload"))
    if machine.is_member(AGENT_USER, GROUP):
        result.steps.append(command(machine, "gpasswd", "--delete", AGENT_USER, GROUP))
    if packaged:
        result.notes.append(
            f"the user {USER}, /etc/usbrh and the files below /usr belong to the package: apt remove usbrh"
        )
    elif machine.has_user(USER) or machine.has_group(GROUP):
        stays = f"a service that runs as the user {USER} may stay" if any(each.question for each in services) else None
        result.steps.append(remove_account(machine, USER, GROUP, foreign_account(machine) or stays))
    with result.noting_denied():
        _plan_state(machine, result)
    return result


def _plan_services(machine: Machine, result: Plan) -> list[Step]:
    """Add the steps that stop the services and remove their files to ``result``; returns them."""
    steps = []
    # The timer first: it would start the service again.
    for unit in reversed(UNITS):
        stop = [("systemctl", "disable", "--now", unit)] if machine.systemd_runs else []
        steps += _removals(machine, [f"/etc/systemd/system/{unit}"], result, stop)
    with result.noting_denied():
        if not openrc.packaged(machine):
            steps += _removals(machine, [openrc.SCRIPT], result, openrc.stop_commands(machine))
            _removals(machine, [openrc.SETTINGS], result)
            if stat_or_none(machine.path(openrc.LOG)):
                result.steps.append(command(machine, "rm", "-f", openrc.LOG))
    steps += _removals(machine, [CRON], result)
    if not machine.packaged(f"udev/rules.d/{RULE}") and stat_or_none(machine.path(LATEST)):
        result.steps.append(command(machine, "rm", "-rf", LATEST))
        result.steps.append(remove_directory(machine, "/run/usbrh"))
    return steps


def _removals(machine: Machine, names: Iterable[str], result: Plan, stop: Sequence[Sequence[str]] = ()) -> list[Step]:
    """Add the steps that remove these files, where they exist, to ``result``; returns them."""
    steps: list[Step] = []
    for name in names:
        with result.noting_denied():
            steps += remove_file(machine, name, stop)
    result.steps += steps
    return steps


def _agent_files(machine: Machine, result: Plan) -> list[str]:
    """Where an agent's file may be; both agents may share a directory."""
    directories = set()
    with result.noting_denied():
        for config in agents(machine).values():
            with result.noting_denied():
                directories.add(agent_directory(machine, config))
    return [f"{directory}/{AGENT_FILE}" for directory in sorted(filter(None, directories))]


def _plan_state(machine: Machine, result: Plan) -> None:
    state = machine.path(STATE)
    if not stat_or_none(state):
        return
    if any(state.iterdir()):
        result.notes.append(f"the journal stays in {STATE}; to remove it: rm -r {STATE}")
    else:
        result.steps.append(remove_directory(machine, STATE))
