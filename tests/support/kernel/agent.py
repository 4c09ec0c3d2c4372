"""Runs in the guest as root: carries out the commands that come over virtio-serial.

One JSON object a line each way. In: ``{"id", "command", "user", "timeout", "input", "env"}``; the command is a
shell line. Out: ``{"id", "status", "stdout", "stderr", "timed_out"}``. Commands run side by side, each in its
own process group, which is killed at the time-out. Standard library only, and only what Debian 12's Python has.
"""

import json
import os
import pwd
import signal
import subprocess
import threading
import time
from typing import Any

CHANNEL = "/dev/virtio-ports/usbrh"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def carry_out(request: dict[str, Any]) -> dict[str, Any]:
    """Run one command to its end or its time-out."""
    account = pwd.getpwnam(request["user"])
    env = {"PATH": PATH, "HOME": account.pw_dir, "USER": account.pw_name, "LANG": "C.UTF-8", **request["env"]}
    process = subprocess.Popen(
        ["/bin/sh", "-c", request["command"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=account.pw_dir,
        env=env,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=os.getgrouplist(account.pw_name, account.pw_gid),
        start_new_session=True,
        text=True,
        errors="backslashreplace",
    )
    timed_out = False
    try:
        stdout, stderr = process.communicate(request["input"], timeout=request["timeout"])
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(process.pid, signal.SIGKILL)
        try:
            stdout, stderr = process.communicate(timeout=2)
        except subprocess.TimeoutExpired:  # something that left the group holds the pipes
            stdout, stderr = "", ""
    return {"status": process.returncode, "stdout": stdout, "stderr": stderr, "timed_out": timed_out}


def answer(line: bytes, channel: int, lock: threading.Lock) -> None:
    """Carry out one request and write its answer, whatever happened."""
    request = json.loads(line)
    try:
        result = carry_out(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test has to hear of it
        result = {"status": 127, "stdout": "", "stderr": f"agent: {error!r}\n", "timed_out": False}
    data = (json.dumps({"id": request["id"], **result}) + "\n").encode()
    with lock:
        while data:
            data = data[os.write(channel, data) :]


def main() -> None:
    """Serve for ever. A read gives nothing while no one is connected on the host's side."""
    channel = os.open(CHANNEL, os.O_RDWR | os.O_CLOEXEC)
    lock = threading.Lock()
    waiting = b""
    while True:
        try:
            received = os.read(channel, 65536)
        except OSError:
            received = b""
        if not received:
            waiting = b""
            time.sleep(0.05)
            continue
        *lines, waiting = (waiting + received).split(b"\n")
        for line in lines:
            if line:
                threading.Thread(target=answer, args=(line, channel, lock), daemon=True).start()


if __name__ == "__main__":
    main()
