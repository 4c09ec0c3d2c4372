"""A program that runs in the guest as root and executes the commands from virtio-serial.

One JSON object per line in both directions. In: ``{"id", "command", "user", "timeout", "input", "env"}``; the
command is a shell line. Out: ``{"id", "status", "stdout", "stderr", "timed_out"}``. Commands run side by side, each in
its own process group, which is killed at the time-out. Standard library only, and only what Debian 12's Python has.
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
    """Run one command to its end or its timeout."""
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
        except subprocess.TimeoutExpired:  # a process outside of the group still has the pipes open
            stdout, stderr = "", ""
    return {"status": process.returncode, "stdout": stdout, "stderr": stderr, "timed_out": timed_out}


def answer(line: bytes, channel: int, lock: threading.Lock) -> None:
    """Execute one request and write its answer, also after an error."""
    request = json.loads(line)
    try:
        result = carry_out(request)
    except Exception as error:  # noqa: BLE001 - the test must get every error
        result = {"status": 127, "stdout": "", "stderr": f"agent: {error!r}\n", "timed_out": False}
    data = (json.dumps({"id": request["id"], **result}) + "\n").encode()
    with lock:
        while data:
            data = data[os.write(channel, data) :]


def main() -> None:
    """Serve indefinitely. A read returns nothing while the host is not connected."""
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
