"""The entry point of ``python -m usbrh`` and of the console script ``usbrh``."""

# A part of the interpreter; importing signal takes milliseconds.
import _signal  # type: ignore[import-not-found]

# Until the command line handles signals, Ctrl-C ends the process at once. Python's own handler prints a traceback.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc

# Imports create tens of thousands of objects that live until exit. Scanning them for garbage costs a tenth of start-up.
gc.set_threshold(100_000)

from usbrh.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
