"""`usbrh zabbix test-alert` on real servers: from the value to the message, or to the reason why there is none."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.daemon import wait_for
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.rights import documented, make_token
from tests.support.zabbix.server import ZabbixServer

CONTAINS = 2
TRIGGERS, WEBHOOK, SEND_MESSAGE = 0, 4, 0
EVERY_SEVERITY, ALWAYS = 63, "1-7,00:00-24:00"


class Alerting:
    """A host with the template, a user, a webhook as media type, and an action that sends messages by it."""

    def __init__(self, server: ZabbixServer) -> None:
        self.server = server
        self.mark = str(time.time_ns())
        self.provision = Provisioner(server, f"alerting-{self.mark}")
        self.provision()
        server.sync()
        self.remove: list[Any] = []

    def media_type(self, script: str) -> str:
        (number,) = self.server.api.mediatype.create(
            name=f"Webhook {self.mark}", type=WEBHOOK, script=script, parameters=[], maxattempts=1, status=0
        )["mediatypeids"]
        self.remove.append(lambda: self.server.api.mediatype.delete(number))
        return str(number)

    def user(self, media_type: str | None) -> str:
        api = self.server.api
        role = api.role.get(filter={"type": 3}, output=["roleid"])[0]["roleid"]
        group = api.usergroup.get(filter={"name": ["Zabbix administrators"]}, output=["usrgrpid"])[0]["usrgrpid"]
        media = {"sendto": "keeper@zoo.example", "active": 0, "severity": EVERY_SEVERITY, "period": ALWAYS}
        (number,) = api.user.create(
            username=f"keeper-{self.mark}", passwd="Str0ng-and-long", roleid=role, usrgrps=[{"usrgrpid": group}],
            medias=[{**media, "mediatypeid": media_type}] if media_type else [],
        )["userids"]  # fmt: skip
        self.remove.append(lambda: api.user.delete(number))
        return str(number)

    def action(self, user: str) -> None:
        """Send each problem of this host to ``user``."""
        (hostid,) = (each["hostid"] for each in self.server.api.host.get(filter={"host": [self.provision.host]}))
        condition = {"conditiontype": 1, "operator": 0, "value": hostid}  # the host is this one
        message = {"default_msg": 0, "subject": "{EVENT.NAME}", "message": "{EVENT.NAME}", "mediatypeid": 0}
        (number,) = self.server.api.action.create(
            name=f"Call {self.mark}", eventsource=TRIGGERS, status=0,
            filter={"evaltype": 0, "conditions": [condition]},
            operations=[{"operationtype": SEND_MESSAGE, "opmessage": message, "opmessage_usr": [{"userid": user}]}],
        )["actionids"]  # fmt: skip
        self.remove.append(lambda: self.server.api.action.delete(number))
        self.server.sync()

    def __call__(self, *arguments: str, login: bool = True, **environment: str) -> tuple[int, list[dict[str, Any]]]:
        """Run the command; its exit status and findings."""
        environment = (self.provision.login if login else {}) | environment
        done = usbrh(
            *("zabbix", "test-alert", "--json", *arguments), **environment,
            USBRH_ZABBIX_SERVERS=self.server.trapper, USBRH_ZABBIX_HOST=self.provision.host,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def close(self) -> None:
        for remove in reversed(self.remove):
            remove()

    def problems(self) -> list[str]:
        (hostid,) = (each["hostid"] for each in self.server.api.host.get(filter={"host": [self.provision.host]}))
        return [each["name"] for each in self.server.api.problem.get(hostids=hostid, output=["name"])]


@pytest.fixture
def alerting(server: ZabbixServer) -> Iterator[Alerting]:
    alerting = Alerting(server)
    yield alerting
    alerting.close()


@pytest.fixture
def alerting_70(zabbix_70: ZabbixServer) -> Iterator[Alerting]:
    """Where the releases do not differ, one is enough."""
    alerting = Alerting(zabbix_70)
    yield alerting
    alerting.close()


def messages(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["status"], each["message"]) for each in findings if each["check"] == "message"][1:]


def test_a_message_that_is_sent(alerting: Alerting) -> None:
    alerting.action(alerting.user(alerting.media_type("return 'OK';")))
    status, findings = alerting()
    assert status == 0, findings
    ((result, message),) = messages(findings)
    assert result == "ok"
    sentence = (
        f'action "Call {alerting.mark}" to keeper-{alerting.mark} by Webhook {alerting.mark} (keeper@zoo.example)'
    )
    assert message.startswith(f"{sentence}: sent after ")
    assert [each["check"] for each in findings if each["status"] == "ok"] == ["raise", "problem", "message", "clear"]
    wait_for("the end of the problem", lambda: not alerting.problems(), 30, 0.5)


def test_a_user_sees_messages_to_its_own_user_groups(alerting_70: Alerting) -> None:
    """As docs/zabbix.md says of users who are not Super admin."""
    api, server = alerting_70.server.api, alerting_70.server
    alerting_70.action(alerting_70.user(alerting_70.media_type("return 'OK';")))
    group = api.usergroup.get(filter={"name": ["Zabbix administrators"]}, output=["usrgrpid"])[0]["usrgrpid"]
    rights = documented("docs/zabbix.md", server.release.name)["zabbix test-alert"]
    for also_in, status in (((), 1), ((group,), 0)):
        token = make_token(server, "USB hygrometers", rights, also_in=also_in)
        found, findings = alerting_70("--seconds", "5", USBRH_ZABBIX_TOKEN=token, USBRH_ZABBIX_USER="")
        assert found == status, findings
        ((_, message),) = messages(findings)
        assert ("keeper@zoo.example" if also_in else "that this user may see") in message


def test_a_media_type_that_fails(alerting_70: Alerting) -> None:
    alerting_70.action(alerting_70.user(alerting_70.media_type("throw 'the line is dead';")))
    status, findings = alerting_70()
    assert status == 1
    ((result, message),) = messages(findings)
    assert result == "fault"
    assert "not sent: " in message
    assert "the line is dead" in message


def test_a_user_without_media(alerting: Alerting) -> None:
    alerting.action(alerting.user(None))
    status, findings = alerting()
    assert status == 1
    ((result, message),) = messages(findings)
    assert (result, "No media defined for user" in message) == ("fault", True), message


def test_no_action_and_a_second_run(alerting_70: Alerting) -> None:
    """The problem is visible and cleared; a second test raises another one."""
    for _ in range(2):
        status, findings = alerting_70("--seconds", "3")
        assert status == 1
        ((result, message),) = messages(findings)
        assert result == "fault"
        assert message.startswith("no action sent a message within 3 s")
        assert findings[-1]["status"] == "ok"
        wait_for("the end of the problem", lambda: not alerting_70.problems(), 30, 0.5)


def test_without_a_login(alerting_70: Alerting) -> None:
    status, findings = alerting_70("--seconds", "1", login=False)
    assert status == 0
    assert [(each["check"], each["status"]) for each in findings] == [
        ("raise", "ok"), ("problem", "waiting"), ("clear", "ok"),
    ]  # fmt: skip


def test_a_host_without_the_item(zabbix_70: ZabbixServer) -> None:
    host = f"bare-{time.time_ns()}"
    zabbix_70.make_host(host, {})
    done = usbrh(
        *("zabbix", "test-alert", "--json"), **Provisioner(zabbix_70, host).login,
        USBRH_ZABBIX_SERVERS=zabbix_70.trapper, USBRH_ZABBIX_HOST=host,
    )  # fmt: skip
    assert done.returncode == 7
    (finding,) = map(json.loads, done.stdout.splitlines())
    assert finding["message"].endswith(f'the host "{host}" has no item usbrh.test')
