"""Programs of the system that answer as they would on another machine."""

from pathlib import Path


def program(folder: Path, name: str, prints: str) -> None:
    """Write a program that prints this text into ``folder``."""
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")
    file.chmod(0o755)
