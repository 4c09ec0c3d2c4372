"""``python -m usbrh`` and the console script ``usbrh``."""

from usbrh.cli import main

if __name__ == "__main__":
    main()
