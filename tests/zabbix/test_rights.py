"""Tokens with exactly the rights that docs/zabbix.md lists, and with one right less."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner, remove_template
from tests.support.zabbix.rights import TEMPLATE_GROUP, Rights, documented, make_token
from tests.support.zabbix.server import ZabbixServer

DOCUMENTS = ("docs/zabbix.md", "docs/zabbix.ja.md")
NEW, CHANGE, CHECK, TEST, STATUS = (
    "provision", "provision --force", "zabbix check", "zabbix test-alert", "journal status",
)  # fmt: skip


class Limited:
    """A host, and commands for it with a token that has some rights."""

    def __init__(self, server: ZabbixServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.host = f"limited-{time.time_ns()}"
        self.group = f"Group of {self.host}"
        server.group(self.group)
        self.rights = documented(DOCUMENTS[0], server.release.name)

    def __call__(self, token: str, *arguments: str, **environment: str) -> "CompletedProcess[str]":
        path = self.folder / "token"
        path.touch(mode=0o600)
        path.write_text(token)
        return usbrh(
            *arguments, USBRH_ZABBIX_URL=self.server.url, USBRH_ZABBIX_TOKEN_FILE=str(path),
            USBRH_ZABBIX_SERVERS=self.server.trapper, USBRH_ZABBIX_HOST=self.host, USBRH_SIMULATE="1",
            USBRH_ALLOW_SIMULATED="1", USBRH_JOURNAL_PATH=str(self.folder / "journal.db"), **environment,
        )  # fmt: skip

    def token(self, rights: Rights, *without: str, read_only: tuple[str, ...] = ()) -> str:
        return make_token(self.server, self.group, rights, without=without, read_only=read_only)

    def fails(self, words: str, done: "CompletedProcess[str]", *, in_findings: bool = False) -> None:
        """The command fails, and one line says what is missing."""
        assert done.returncode == 1, done
        lines = (done.stdout if in_findings else done.stderr).splitlines()
        assert [line for line in lines if words in line], done
        assert in_findings or len(lines) == 1, done

    def each_method_is_needed(self, rights: Rights, *arguments: str) -> None:
        for method in rights.methods:
            done = self(self.token(rights, method), *arguments)
            self.fails(f"the user's role does not allow {method}; allow the API method {method} in that role", done)


@pytest.fixture
def limited(server: ZabbixServer, tmp_path: Path) -> Iterator[Limited]:
    limited = Limited(server, tmp_path)
    yield limited
    hosts = server.api.host.get(filter={"host": [limited.host]}, output=["hostid"])
    for each in hosts:
        server.api.host.delete(each["hostid"])


def test_both_languages_list_the_same_rights() -> None:
    for release in ("6.0", "7.0"):
        english, japanese = (list(documented(document, release).values()) for document in DOCUMENTS)
        assert english == japanese
        assert len(english) == 5


def test_provision(limited: Limited) -> None:
    """A new template and a new host, by a user who is not Super admin."""
    rights, server = limited.rights[NEW], limited.server
    provision = ("zabbix", "provision", "--host", limited.host, "--group", limited.group)
    remove_template(server, "USB-RH by Zabbix trapper")
    limited.fails(
        f'the user has no Read-write permission for the host group "{limited.group}"',
        limited(limited.token(rights, read_only=("host",)), *provision),
    )
    kind = "host" if server.release.name == "6.0" else "template"
    for fewer in ({"read_only": ("template",)}, {}):
        token = limited.token(rights, *([] if fewer else ["template"]), **fewer)
        done = limited(token, *provision)
        limited.fails(f'the user has no Read-write permission for the {kind} group "{TEMPLATE_GROUP}"', done)
    for method in rights.methods:
        remove_template(server, "USB-RH by Zabbix trapper")
        done = limited(limited.token(rights, method), *provision)
        limited.fails(f"the user's role does not allow {method}; allow the API method {method} in that role", done)
    remove_template(server, "USB-RH by Zabbix trapper")
    done = limited(limited.token(rights), *provision)
    assert done.returncode == 0, done
    assert [line[0] for line in done.stdout.splitlines()] == ["+", "=", "=", "+"]
    again = limited(limited.token(rights), *provision)
    assert (again.returncode, {line[0] for line in again.stdout.splitlines()}) == (0, {"="})
    done = limited(limited.token(rights, "host"), *provision)
    limited.fails(f'the host group "{limited.group}" does not exist, or the user has no permission for it', done)


def test_changes_to_a_host(limited: Limited) -> None:
    """Each attempt gets one step further than the one before, and needs the next method there."""
    rights, api = limited.rights[CHANGE], limited.server.api
    assert set(limited.rights[NEW].methods) < set(rights.methods)
    Provisioner(limited.server, limited.host)("--group", limited.group, "--force")
    hostid = api.host.get(filter={"host": [limited.host]}, output=["hostid"])[0]["hostid"]
    api.usermacro.create(hostid=hostid, macro="{$USBRH.TEMP.MAX.WARN}", value="25")
    provision = ("zabbix", "provision", "--host", limited.host, "--force", "--method", "agent", "--limits", "people")
    interface, other = ("--interface", "127.0.0.1"), ("--interface", "127.0.0.1:10060")
    attempts = {
        "hostinterface.create": interface, "host.update": interface, "usermacro.create": interface,
        "usermacro.update": interface, "hostinterface.update": other,
    }  # fmt: skip
    assert set(rights.methods) == {*limited.rights[NEW].methods, *attempts}
    for method, arguments in attempts.items():
        done = limited(limited.token(rights, method), *provision, *arguments)
        last = done.stderr.splitlines()[-1:]
        assert done.returncode == 1, done
        assert f"the user's role does not allow {method}; allow the API method {method}" in last[0], done
    done = limited(limited.token(rights), *provision, *other)
    assert done.returncode == 0, done
    assert "+ set agent interface 127.0.0.1:10060" in done.stdout, done


def test_check(limited: Limited) -> None:
    rights = limited.rights[CHECK]
    Provisioner(limited.server, limited.host)("--group", limited.group)
    limited.server.sync()
    done = limited(limited.token(rights), "zabbix", "check")
    assert done.returncode == 0, done
    assert "the value is in the history of usbrh.bridge.sensors" in done.stdout
    reason = f'there is no host "{limited.host}", or this user has no permission for it'
    limited.fails(reason, limited(limited.token(rights, "host"), "zabbix", "check"), in_findings=True)
    limited.each_method_is_needed(rights, "zabbix", "check")


def test_the_servers_own_reason(zabbix_70: ZabbixServer, tmp_path: Path) -> None:
    """`check` shows it if the role allows one method more."""
    limited = Limited(zabbix_70, tmp_path)
    zabbix_70.api.host.create(host=limited.host, groups=[{"groupid": zabbix_70.group(limited.group)}])
    zabbix_70.sync()
    rights = limited.rights[CHECK]
    words = f'the host "{limited.host}" has no item usbrh.bridge'
    assert f"{words}\n" in limited(limited.token(rights), "zabbix", "check").stdout
    more = replace(rights, methods=(*rights.methods, "history.push"))
    assert f"{words} (the server reports: " in limited(limited.token(more), "zabbix", "check").stdout


def test_test_alert(limited: Limited) -> None:
    """Without an action: the token shows the problem, and that this user sees no message."""
    rights = limited.rights[TEST]
    Provisioner(limited.server, limited.host)("--group", limited.group)
    limited.server.sync()
    command = ("zabbix", "test-alert", "--seconds", "1")
    done = limited(limited.token(rights), *command)
    assert "problem        visible after" in done.stdout, done
    assert "no action sent a message within 1 s that this user may see" in done.stdout
    reason = f'there is no host "{limited.host}", or this user has no permission for it'
    limited.fails(reason, limited(limited.token(rights, "host"), *command), in_findings=True)
    limited.each_method_is_needed(rights, *command)


def test_the_reasons_in_the_journal_status(limited: Limited) -> None:
    """Without a right the reasons are only probable, and one line says why."""
    rights, server = limited.rights[STATUS], limited.server
    server.api.host.create(
        host=limited.host, groups=[{"groupid": server.group(limited.group)}],
    )  # fmt: skip
    server.sync()
    assert limited(limited.token(rights), "send").returncode == 7
    done = limited(limited.token(rights), "journal", "status")
    assert f'the host "{limited.host}" has no item usbrh.get[sim-1]; ' in done.stdout, done
    assert done.stderr == ""
    for method in rights.methods:
        done = limited(limited.token(rights, method), "journal", "status")
        assert "1 rejected: probably " in done.stdout, done
        (line,) = done.stderr.splitlines()
        assert line.startswith("usbrh: the reasons below are only probable: "), line
        assert f"the user's role does not allow {method}" in line, line
    done = limited(limited.token(rights, "host"), "journal", "status")
    assert f'there is no host "{limited.host}", or this user has no permission for it' in done.stdout
