"""The line for cron that `usbrh setup` prints on a machine without systemd and OpenRC, under a real cron."""

import time

from tests.support.openrc import ABSENT, CronSystem


def test_cron_sends_each_minute_and_is_silent(cron: CronSystem) -> None:
    """Also while one of two servers is absent: the problem is in syslog, and nobody gets a mail."""
    system, server = cron
    end = time.monotonic() + 90  # it begins with the next minute
    while not (server.values and "another line" in system.run("cat /var/log/mail").stdout):
        assert time.monotonic() < end, system.run("cat /var/log/messages").stdout
        time.sleep(0.2)
    system.do("while pgrep -u usbrh; do sleep 0.1; done")
    assert f"usbrh: {ABSENT}: no connection" in system.do("cat /var/log/messages")
    mails = system.do("grep ^Subject: /var/log/mail").splitlines()
    assert all("another line" in each for each in mails), mails
    assert "cron reads and sends" in system.run("usbrh doctor").stdout
    assert system.do("stat -c %a:%U /var/lib/usbrh/journal.db") == "640:usbrh\n"
