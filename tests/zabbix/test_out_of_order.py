"""What Zabbix does with values that arrive after newer ones, as a backlog does while news go first."""

import time

from tests.support.daemon import wait_for
from tests.support.zabbix.server import FLOAT, ZabbixServer

MINUTES = 70


class Host:
    """A host with one item, and a trigger on its last value."""

    def __init__(self, server: ZabbixServer, name: str) -> None:
        self.server = server
        self.name = f"{name}-{time.time_ns()}"
        self.number = server.make_host(self.name, {"t": FLOAT})
        server.api.trigger.create(description="hot", expression=f"last(/{self.name}/t)>27")
        server.sync()
        self.now = time.time() // 60 * 60

    def send(self, *values: tuple[int, int]) -> None:
        """Send (minute, value) pairs; minute 0 is now."""
        moments = [int(self.now + minute * 60) * 10**9 for minute, _ in values]
        self.server.send_values(
            self.name, [("t", str(value), moment) for (_, value), moment in zip(values, moments, strict=True)]
        )

    def events(self) -> list[tuple[str, int]]:
        """The value of each event ("1": a problem) and its minute, in the order they were made."""
        found = self.server.api.event.get(hostids=self.number, output=["value", "clock"], sortfield=["eventid"])
        return [(each["value"], int((int(each["clock"]) - self.now) // 60)) for each in found]

    def wait_for(self, events: list[tuple[str, int]], rows: int) -> None:
        self.server.wait_history(self.name, "t", rows)
        try:
            wait_for("the events", lambda: self.events() == events, 20, 0.5)
        except TimeoutError:
            assert self.events() == events


def test_a_problem_of_the_past_opens_and_closes_with_the_history(server: ZabbixServer) -> None:
    host = Host(server, "past")
    history = [(minute, 30 if -50 <= minute < -20 else 20) for minute in range(-MINUTES, 0)]
    host.send((0, 20))
    host.server.wait_history(host.name, "t", 1)
    host.send(*history[:40])
    host.wait_for([("1", -50)], 41)
    host.send(*history[40:], (0, 20))
    host.wait_for([("1", -50), ("0", -20)], MINUTES + 1)
    assert float(server.item(host.name, "t")["lastvalue"]) == 20


def test_old_values_close_a_problem_of_now_and_the_next_reading_opens_it_again(server: ZabbixServer) -> None:
    host = Host(server, "present")
    history = [(minute, 20) for minute in range(-MINUTES, -1)]
    host.send((-1, 30))
    host.wait_for([("1", -1)], 1)
    host.send(*history[:40])
    host.wait_for([("1", -1), ("0", -MINUTES)], 41)
    host.send(*history[40:], (-1, 30))
    host.server.wait_history(host.name, "t", MINUTES)
    host.send((0, 30))
    host.server.wait_history(host.name, "t", MINUTES + 1)
    wait_for("the problem is open again", lambda: host.events()[-1][0] == "1", 20, 0.5)
    assert float(server.item(host.name, "t")["lastvalue"]) == 30
