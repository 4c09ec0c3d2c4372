"""The entry point of ``python -m usbrh`` and of the console script ``usbrh``."""

import gc

# Imports create tens of thousands of objects that live until exit. Scanning them for garbage costs a tenth of start-up.
gc.set_threshold(100_000)

from usbrh.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
