"""The speed figures, as ratios measured in one run: `make bench`."""
