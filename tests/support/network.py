"""Addresses with a known behaviour."""

import socket


def closed_port() -> str:
    """Return an address of this machine on which no program listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"
