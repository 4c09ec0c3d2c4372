"""``python -m usbrh`` and the console script ``usbrh``."""

import gc

# What a start makes by the ten thousand stays to the end: to look through it for garbage would be a tenth of the start.
gc.set_threshold(100_000)

from usbrh.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
