"""udev/70-usbrh.rules: who may use a sensor, and what else the rule gives."""

from tests.support.kernel.guest import Plugged
from tests.support.kernel.vm import Machine

RULE = "/etc/udev/rules.d/70-usbrh.rules"


def test_udev_has_nothing_to_say_against_the_rule(vm: Machine) -> None:
    if vm.run("udevadm verify --help").status == 0:  # from systemd 254 on
        vm.run(f"udevadm verify {RULE}").check()
    vm.run("udevadm control --reload; udevadm control --ping").check()
    assert "70-usbrh" not in vm.run("journalctl -b -u systemd-udevd --no-pager").check()


def test_udev_would_say_something_against_a_wrong_rule(vm: Machine) -> None:
    """Otherwise the test above proves nothing."""
    vm.put("/etc/udev/rules.d/71-wrong.rules", 'SUBSYSTEM=="usb", GRUOP="usbrh"\n')
    vm.run("udevadm control --reload; udevadm control --ping").check()
    vm.run("rm /etc/udev/rules.d/71-wrong.rules; udevadm control --reload").check()
    assert "71-wrong" in vm.run("journalctl -b -u systemd-udevd --no-pager").check()


def test_both_nodes_belong_to_the_group_and_to_nobody_else(vm: Machine, new_sensor: Plugged) -> None:
    for node in (new_sensor.node, new_sensor.hidraw):
        assert vm.run(f"stat -c '%U:%G %a' {node}").check().strip() == "root:usbrh 660"
        assert vm.run(f"test -r {node} -a -w {node}", user="alice").status == 0
        assert vm.run(f"test -r {node} -o -w {node}", user="mallory").status == 1
    # The root hubs are as udev's own rules leave them.
    assert vm.run("stat -c '%G %a' /dev/bus/usb/001/001").check().strip() == "root 664"


def test_a_user_without_the_group_is_told_what_to_do(vm: Machine, new_sensor: Plugged) -> None:
    rejected = vm.run(f"usbrh read {new_sensor.port}", user="mallory")
    assert rejected.status == 4
    assert rejected.stdout == ""
    assert "no permission" in rejected.stderr
    assert "mallory is not in the group usbrh; sudo usermod -aG usbrh mallory" in rejected.stderr
    assert "Traceback" not in rejected.stderr
    assert '"access": "denied"' in vm.run("usbrh list --json", user="mallory").stdout


def test_the_seat_is_tagged(vm: Machine, new_sensor: Plugged) -> None:
    for node in (new_sensor.node, new_sensor.hidraw):
        tags = vm.run(f"udevadm info --query=property --property=CURRENT_TAGS --value {node}").check()
        assert {"uaccess", "systemd"} <= set(tags.strip().split(":"))


def test_units_can_wait_for_a_sensor(vm: Machine, new_sensor: Plugged) -> None:
    link = f"/dev/usbrh/{new_sensor.port}"
    assert vm.run(f"readlink -f {link}").check().strip() == new_sensor.node
    unit = vm.run(f"systemd-escape --path --suffix=device {link}").check().strip()
    assert vm.run(f"systemctl is-active '{unit}'").check().strip() == "active"
    new_sensor.unplug()
    assert vm.run(f"systemctl is-active '{unit}'").stdout.strip() == "inactive"
    new_sensor.do("plug")
    vm.put(
        "/run/systemd/system/waits.service",
        f"[Unit]\nRequires={unit}\nAfter={unit}\n"
        f"[Service]\nType=oneshot\nExecStart=/usr/bin/usbrh read {new_sensor.port} --json\n",
    )
    vm.run("systemctl daemon-reload").check()
    waiting = vm.start("systemctl start waits; journalctl -u waits -o cat", timeout=60)
    vm.run("until systemctl list-jobs | grep waits.service; do sleep 0.2; done").check()
    new_sensor.attach()
    assert '"state": "ok"' in waiting().check()
