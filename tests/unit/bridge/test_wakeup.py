"""What ends a wait early."""

import os
import resource
import signal
import time

from usbrh.bridge.wakeup import WakeupPipe


def waited(pipe: WakeupPipe, seconds: float) -> float:
    began = time.monotonic()
    pipe.wait(seconds)
    return time.monotonic() - began


def test_a_call_ends_one_wait() -> None:
    with WakeupPipe() as pipe:
        assert 0.1 <= waited(pipe, 0.1) < 5
        pipe.wake()
        pipe.wake()
        assert waited(pipe, 10) < 5
        assert 0.1 <= waited(pipe, 0.1) < 5


def test_many_calls_block_nobody() -> None:
    with WakeupPipe() as pipe:
        for _ in range(100_000):
            pipe.wake()
        assert waited(pipe, 10) < 5


def test_a_call_after_the_end_is_ignored() -> None:
    with WakeupPipe() as pipe:
        pass
    pipe.wake()


def test_a_signal_ends_the_wait_whatever_its_handler_does() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        with WakeupPipe() as pipe:
            pipe.wake_on_signals()
            os.kill(os.getpid(), signal.SIGUSR1)
            assert waited(pipe, 10) < 5
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_pipe_without_signals_leaves_those_of_another() -> None:
    with WakeupPipe() as outer:
        outer.wake_on_signals()
        with WakeupPipe():
            pass
        assert signal.set_wakeup_fd(-1) != -1


def test_a_pipe_with_high_file_descriptors() -> None:
    """A thousand sensors occupy the first thousand."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 1200), before[1]))
    used = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with WakeupPipe() as pipe:
            assert waited(pipe, 0.1) >= 0.1
            pipe.wake()
            assert waited(pipe, 10) < 5
    finally:
        for descriptor in used:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
