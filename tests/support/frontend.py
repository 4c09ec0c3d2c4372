"""A web server that answers like the front end of a Zabbix, as far as a test needs it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

Answer = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Call:
    """One request to the API."""

    method: str
    params: dict[str, Any]
    authorization: str | None
    """The header ``Authorization``."""
    auth: str | None
    """The member ``auth`` of the body."""


class Rejection(Exception):
    """The error that the API returns instead of a result."""


class FrontEnd:
    """A context manager that listens on 127.0.0.1.

    ``answers``: for each method a function that returns the result for given parameters. Other methods find nothing or
    succeed, and a login by password gives "a-session".
    ``other`` replaces all of this and gets the HTTP handler.
    """

    def __init__(
        self,
        version: str = "7.0.22",
        answers: dict[str, Answer] | None = None,
        other: Callable[[BaseHTTPRequestHandler], None] | None = None,
    ) -> None:
        self.answers: dict[str, Answer] = {
            "apiinfo.version": lambda params: version, "user.login": lambda params: "a-session", **(answers or {}),
        }  # fmt: skip
        self.calls: list[Call] = []
        self.paths: list[str] = []
        """The path of every request."""
        front_end = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                front_end.paths.append(f"POST {self.path}")
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if other:
                    other(self)
                else:
                    self.answer(json.loads(body))

            def do_GET(self) -> None:
                front_end.paths.append(f"GET {self.path}")
                self.send_error(412)  # as api_jsonrpc.php without a Content-Type

            def answer(self, request: dict[str, Any]) -> None:
                method, params = request["method"], request["params"]
                front_end.calls.append(Call(method, params, self.headers["Authorization"], request.get("auth")))
                answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
                try:
                    answer["result"] = front_end.result(method, params)
                except Rejection as rejection:
                    answer["error"] = {"code": -32500, "message": "Application error.", "data": str(rejection)}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/zabbix"

    def result(self, method: str, params: dict[str, Any]) -> Any:
        """What a method returns; if no answer is given, it finds nothing, or it succeeds."""
        if method in self.answers:
            found = self.answers[method](params)
        elif method.endswith(".get"):
            found = []
        else:
            found = {"ids": ["1"]} if method.endswith((".create", ".update")) else True
        return str(len(found)) if params and params.get("countOutput") and isinstance(found, list) else found

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
