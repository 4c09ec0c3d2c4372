"""The command blocks of docs/zabbix.md, run as they stand there.

On the machine itself, but with its /etc, /var/lib and /opt overlaid for these commands alone. What is replaced: the
address of the server, and sudo and systemctl, which a machine in a test need not have; the unit's own command is run.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.daemon import free_port, scratch_directory, wait_for
from tests.support.zabbix.rights import documented, make_token
from tests.support.zabbix.server import CHECKOUT, USER, ZabbixServer

DOCUMENTS = ("docs/zabbix.md", "docs/zabbix.ja.md")
GROUP = "USB hygrometers"
"""The default of `usbrh zabbix provision`."""
PROGRAM = """#!/usr/bin/python3
import sys
sys.path[:0] = ["/opt/usbrh/lib", {packages!r}]
from usbrh.cli import main
main()
"""
SYSTEMCTL = r"""#!/bin/bash
unit() { sed -n 's/^ExecStart=//p' "/etc/systemd/system/$1"; }
as_usbrh() { setpriv --reuid=usbrh --regid=usbrh --init-groups "$@"; }
case "$*" in
"enable --now usbrh") as_usbrh $(unit usbrh.service) >"$SCRATCH/run.log" 2>&1 & ;;
# What the timer does each minute; Zabbix makes the items after the first.
"enable --now usbrh-send.timer") for n in 1 2 3 4; do as_usbrh $(unit usbrh-send.service) && break; sleep 2; done ;;
"restart zabbix-agent") setpriv --reuid=zabbix --regid=zabbix --init-groups \
	/usr/sbin/zabbix_agentd -f -c /etc/zabbix/zabbix_agentd.conf >"$SCRATCH/agent.log" 2>&1 & ;;
*) echo "systemctl $*: not expected" >&2; exit 1 ;;
esac
sleep 1
"""
OVERLAY = r"""
mount -t tmpfs none "$SCRATCH/var"
for folder in etc var/lib opt; do
	upper="$SCRATCH/var/$folder/upper" work="$SCRATCH/var/$folder/work"
	mkdir -p "$upper" "$work"
	mount -t overlay -o "lowerdir=/$folder,upperdir=$upper,workdir=$work" none "/$folder"
done
cp -a "$SCRATCH/opt/usbrh" /opt/usbrh
rm -rf /etc/usbrh /var/lib/usbrh
sed -i "s/^\(Server\|ServerActive\|Hostname\|LogFile\|PidFile\)=.*//" /etc/zabbix/zabbix_agentd.conf
cat >>/etc/zabbix/zabbix_agentd.conf <<END
ListenIP=127.0.0.1
ListenPort=$AGENT_PORT
Server=127.0.0.1
LogType=console
PidFile=$SCRATCH/home/agent.pid
END
set -x
"""


def blocks(document: str) -> dict[str, list[str]]:
    """The commands between the document's markers."""
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", text, re.DOTALL)
    return {name: [line.strip() for line in body.splitlines() if line.strip()] for name, body in found}


def test_each_way_takes_at_most_five_commands_in_both_languages() -> None:
    english, japanese = map(blocks, DOCUMENTS)
    assert english == japanese
    assert set(english) == {"service", "timer", "agent", "beside", "autoregistration", "token"}
    assert all(0 < len(commands) <= 5 for commands in english.values())


@pytest.fixture
def fresh(server: ZabbixServer) -> ZabbixServer:
    """A Zabbix that knows nothing of this machine."""
    if server.release.root != Path("/"):
        pytest.skip("the commands are tried on Debian 12, where Zabbix 6.0's agent is the machine's own")
    api = server.api
    for host in api.host.get(filter={"host": [socket.gethostname()]}, output=["hostid"]):
        api.host.delete(host["hostid"])
    server.sync()
    return server


@pytest.mark.parametrize("server", ["6.0"], indirect=True)
@pytest.mark.parametrize("way", ["service", "timer", "agent", "autoregistration"])
def test_the_commands_lead_to_values(fresh: ZabbixServer, way: str) -> None:
    scratch = scratch_directory("document")
    port = free_port()
    commands = blocks(DOCUMENTS[0])
    try:
        install, paste = commands["token"]
        token = [install, f"{paste} <<<{token_for(fresh, way)}", "test $(stat -c %a ~/zabbix-token) = 600"]
        shown = [*token, *commands[way], *(commands["beside"] if way == "agent" else [])]
        script = prepare(scratch, fresh, shown, port)
        environment = {
            "PATH": f"{scratch}/bin:/opt/usbrh/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": f"{scratch}/home",
            "SCRATCH": str(scratch), "AGENT_PORT": str(port), "USBRH_SIMULATE": "2", "USBRH_ALLOW_SIMULATED": "1",
            "USBRH_BRIDGE_INTERVAL": "5s",
        }  # fmt: skip
        command = ["unshare", "--mount", "bash", "-eu", str(script)]
        with (scratch / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for("the commands", lambda: (scratch / "home" / "done").exists() or process.poll() is not None, 120)
            assert process.poll() is None, "".join(
                path.read_text(errors="replace")[-3000:] for path in scratch.glob("*log")
            )
            host = socket.gethostname()
            if way == "agent":  # "Execute now"
                hostid = fresh.api.host.get(filter={"host": [host]}, output=["hostid"])[0]["hostid"]
                fresh.sync()
                for rule in fresh.api.discoveryrule.get(hostids=hostid, output=["itemid"]):
                    fresh.check_now(rule["itemid"])
            try:
                values = fresh.wait_history(host, "usbrh.temperature[sim-2]", 1, 120)
            except TimeoutError as error:
                error.add_note("".join(log.read_text("utf-8")[-3000:] for log in scratch.glob("*log")))
                raise
            assert 15 < float(values[-1].value) < 40
            assert abs(values[-1].clock - time.time()) < 60
            if way == "agent":  # one reading for two questions: the service has measured, and not the agent
                wait_for("the service's reading", lambda: asked(fresh, port) == asked(fresh, port), 60, 1)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def asked(server: ZabbixServer, agent_port: int) -> str:
    """When that was measured which the agent answers."""
    done = server.run("zabbix_get", "-s", "127.0.0.1", "-p", str(agent_port), "-k", "usbrh.get[sim-2]")
    return str(json.loads(done.stdout)["time"])


def token_for(server: ZabbixServer, way: str) -> str:
    """The token with the documented rights; of a Super admin where the document asks for one."""
    api = server.api
    if way != "autoregistration":
        server.group(GROUP)
        return make_token(server, GROUP, documented(DOCUMENTS[0], server.release.name)["provision"])
    userid = api.user.get(filter={"username": USER}, output=["userid"])[0]["userid"]
    number = api.token.create(name=f"document-{time.time_ns()}", userid=userid)["tokenids"][0]
    return str(api.token.generate(number)[0]["token"])


def prepare(scratch: Path, server: ZabbixServer, commands: list[str], agent_port: int) -> Path:
    """The machine's programs, and the script: the overlay, then the commands."""
    library = scratch / "opt" / "usbrh" / "lib"
    for part in ("usbrh", "zabbix", "udev", "systemd", "etc"):
        shutil.copytree(CHECKOUT / part, library / part, ignore=shutil.ignore_patterns("__pycache__"))
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    programs = {
        scratch / "opt" / "usbrh" / "bin" / "usbrh": PROGRAM.format(packages=packages),
        scratch / "bin" / "sudo": '#!/bin/sh\nexec "$@"\n',
        scratch / "bin" / "systemctl": SYSTEMCTL,
    }
    for path, text in programs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    home = scratch / "home"
    home.mkdir()
    home.chmod(0o1777)
    text = "\n".join(commands).replace("https://zabbix.example/zabbix", server.url)
    text = text.replace('"zabbix.example"', f'"{server.trapper}"')
    text = text.replace("--interface 192.0.2.10", f"--interface 127.0.0.1:{agent_port}")
    text = text.replace("-s 192.0.2.10", f"-s 127.0.0.1 -p {agent_port}")
    script = scratch / "script"
    script.write_text(f"{OVERLAY}\n{text}\ntouch {home}/done\nsleep 200\n")
    return script
