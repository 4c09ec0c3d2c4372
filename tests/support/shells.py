"""Completion in real shells: lines with tabs are typed into a terminal."""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

PREPARE = "sudo make test-shell-deps"
START = {
    # Without the user's own files. The command that sets the prompt must not contain the prompt itself.
    "bash": (("bash", "--norc", "--noprofile", "-i"), "PS1='rea''dy> '"),
    "zsh": (("zsh", "-f", "-i"), "autoload -Uz compinit; compinit -u -D; PS1='rea''dy> '"),
}
SETUP = {
    "bash": 'eval "$(_USBRH_COMPLETE=bash_source usbrh)"',
    "zsh": 'eval "$(_USBRH_COMPLETE=zsh_source usbrh)"',
    "fish": "_USBRH_COMPLETE=fish_source usbrh | source",
}
"""The line for the shell's start file, as in docs/getting-started.md."""
TYPED = {
    "usbrh calib\t--help\r": "Usage: usbrh calibrate",
    "usbrh zabbix prov\t--help\r": "Usage: usbrh zabbix provision",
}
"""What is typed into bash and zsh, and what appears if the tab completed the word."""
OFFERED = {
    "usbrh calib": ["calibrate"],
    "usbrh zabbix ": ["check", "provision", "template"],
    "usbrh read --js": ["--json"],
    "usbrh --config /etc/passw": ["/etc/passwd"],
}
"""Words that fish must offer after a line."""
SECONDS = 60.0


def check(shell: str, setup: str, environment: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
    """Check that ``shell`` completes after the command ``setup``. ``prefix`` precedes the shell's command line.

    fish reads what is configured in the environment's HOME, without which it looks into none of Debian's folders.

    Raises:
        TimeoutError: what should appear did not; the message has what did.
        AssertionError: fish offers something else.
        CalledProcessError: fish failed.
    """
    if shell == "fish":
        for line, wanted in OFFERED.items():
            ask = [*prefix, "fish", "-c", f"{setup}\ncomplete --do-complete '{line}'"]
            output = subprocess.check_output(ask, env=environment, text=True, timeout=SECONDS)
            offered = [each.partition("\t")[0] for each in output.splitlines()]
            assert set(wanted) <= set(offered), f"{line!r}: fish offers {offered}"
        return
    command, start = START[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        words = [*prefix, *command]
        os.execvpe(words[0], words, {**environment, "TERM": "dumb"})
    try:
        for line, answer in {f"{start}\n": "ready> ", f"{setup}\n": "ready> ", **TYPED}.items():
            os.write(terminal, line.encode())
            expect(terminal, answer)
    finally:
        end(pid, terminal)


def end(pid: int, terminal: int) -> None:
    """Kill a process of ``pty.fork`` and close its terminal."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)


def expect(terminal: int, wanted: str) -> str:
    """Wait until ``wanted`` appears, and return everything that appeared.

    Raises:
        TimeoutError: it did not; the message has what did.
    """
    last, seen = time.monotonic() + SECONDS, ""
    while wanted not in seen:
        if not select.select([terminal], [], [], max(0.0, last - time.monotonic()))[0]:
            raise TimeoutError(f"no {wanted!r} within {SECONDS:g} s, but {seen!r}")
        seen += os.read(terminal, 65536).decode(errors="replace")
    return seen
