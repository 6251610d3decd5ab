"""HTTP endpoints on this computer that can be told to fail: ``python flaky_endpoint.py NAME...``

Each NAME gets a free port of 127.0.0.1, and its address goes into the file NAME.url. It answers a POST with what it
was sent, counted. While there is a file NAME.down, it answers 503 in place of that. All of them serve in the
background, until their NAME.url is removed.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Answers(BaseHTTPRequestHandler):
    """Answers for one endpoint, whose name its server has."""

    def do_POST(self) -> None:
        """Take what comes, unless the endpoint is down."""
        received = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if Path(f"{self.server.name}.down").exists():
            self.answer(503, {"error": "down for maintenance"})
        else:
            self.answer(200, {"stored_by": self.server.name, "characters": len(received)})

    def answer(self, status: int, content: dict[str, object]) -> None:
        """Send `content` as JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing: the terminal is the reader's."""


class Endpoint(ThreadingHTTPServer):
    """One of them, for as long as the file with its address is there."""

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.name = name
        self.address = Path(f"{name}.url")
        self.address.write_text(f"http://127.0.0.1:{self.server_port}/\n", encoding="utf-8")

    def service_actions(self) -> None:
        """Look, twice a second, whether it is still wanted."""
        if not self.address.exists():
            threading.Thread(target=self.shutdown).start()


def main(names: list[str]) -> None:
    """Serve in the background, and say where."""
    endpoints = [Endpoint(name) for name in names]
    for each in endpoints:
        print(each.name, each.address.read_text(encoding="utf-8"), end="", flush=True)
    if os.fork():
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in 0, 1, 2:
        os.dup2(nowhere, standard)
    serving = [threading.Thread(target=each.serve_forever) for each in endpoints]
    for each in serving:
        each.start()
    for each in serving:  # once the main thread is at its end, no thread can be started, and every request needs one
        each.join()


if __name__ == "__main__":
    main(sys.argv[1:])
