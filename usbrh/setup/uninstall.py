"""What ``usbrh setup --remove`` takes away from a machine: what ``usbrh setup`` brought, but the journal."""

from collections.abc import Iterable

from usbrh.paths import stat_or_none
from usbrh.setup.actions import Command, RemoveAccount, RemoveDirectory, RemoveFile, StopUnit, remove_action
from usbrh.setup.agents import AGENT_FILE, agent_directory, agents
from usbrh.setup.install import CONFIG, GROUP, RULE, STATE, UNITS, USER, Plan, looking, provided, reload_udev, stranger
from usbrh.setup.machine import Machine


def plan_removal(machine: Machine) -> Plan:
    """What takes away everything that ``plan`` brought, but the journal."""
    result = Plan()
    packaged = provided(machine, f"udev/rules.d/{RULE}")
    # The timer comes before what it would start again.
    units = _removals(machine, (f"/etc/systemd/system/{unit}" for unit in reversed(UNITS)), result)
    result.actions += [StopUnit(unit) for unit in units] if machine.systemd_runs else units
    names = [f"/etc/udev/rules.d/{RULE}", *_agent_files(machine, result), *([] if packaged else [CONFIG])]
    files = _removals(machine, names, result)
    result.actions += files
    if stat_or_none(machine.path("/etc/usbrh")) and not packaged:
        result.actions.append(RemoveDirectory("/etc/usbrh"))
    if any(RULE in file.name for file in files):
        result.actions += reload_udev(machine)
    if units and machine.systemd_runs:
        result.actions.append(Command(("systemctl", "daemon-reload")))
    if packaged:
        result.notes.append(
            f"the user {USER}, /etc/usbrh and what is below /usr belong to the distribution's package: apt remove usbrh"
        )
    elif machine.has_user(USER) or machine.has_group(GROUP):
        stays = f"a unit that runs as the user {USER} may stay" if any(unit.question for unit in units) else None
        result.actions.append(RemoveAccount(USER, GROUP, stranger(machine) or stays))
    with looking(result):
        _plan_state(machine, result)
    return result


def _removals(machine: Machine, names: Iterable[str], result: Plan) -> list[RemoveFile]:
    """What removes those of the files that are there."""
    found = []
    for name in names:
        with looking(result):
            if action := remove_action(machine, name):
                found.append(action)
    return found


def _agent_files(machine: Machine, result: Plan) -> list[str]:
    """Where an agent's file may be; one folder may be that of both agents."""
    directories = set()
    with looking(result):
        for config in agents(machine).values():
            with looking(result):
                directories.add(agent_directory(machine, config))
    return [f"{directory}/{AGENT_FILE}" for directory in sorted(filter(None, directories))]


def _plan_state(machine: Machine, result: Plan) -> None:
    state = machine.path(STATE)
    if not stat_or_none(state):
        return
    if any(state.iterdir()):
        result.notes.append(f"the journal stays in {STATE}; it is yours to remove: rm -r {STATE}")
    else:
        result.actions.append(RemoveDirectory(STATE))
