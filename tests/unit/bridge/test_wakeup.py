"""What ends a wait early."""

import os
import signal
import time

from usbrh.bridge.wakeup import WakeupPipe


def waited(bell: WakeupPipe, seconds: float) -> float:
    began = time.monotonic()
    bell.wait(seconds)
    return time.monotonic() - began


def test_a_ring_ends_one_wait() -> None:
    with WakeupPipe() as bell:
        assert waited(bell, 0.1) >= 0.1
        bell.wake()
        bell.wake()
        assert waited(bell, 10) < 5
        assert waited(bell, 0.1) >= 0.1


def test_too_much_ringing_blocks_nobody() -> None:
    with WakeupPipe() as bell:
        for _ in range(100_000):
            bell.wake()
        assert waited(bell, 10) < 5


def test_a_ring_after_the_end_harms_nobody() -> None:
    with WakeupPipe() as bell:
        pass
    bell.wake()


def test_a_signal_rings_whatever_its_handler_does() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: None)
    try:
        with WakeupPipe() as bell:
            bell.wake_on_signals()
            os.kill(os.getpid(), signal.SIGUSR1)
            assert waited(bell, 10) < 5
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, before)
