"""Headless Chromium with a page of ours that obeys the test.

The page asks this module's HTTP server for its next command, runs it and posts the result, so that a test calls
functions of the page (`page/*.js`) as if they were its own. Recordings are served to it with byte ranges, as players
want them.
"""

import json
import queue
import shutil
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

from process import DEADLINE_S, Process

HERE = Path(__file__).resolve().parent
LIBRARIES = {
    "/livekit-client.js": HERE / "node_modules/livekit-client/dist/livekit-client.umd.js",
    "/hls.js": HERE / "node_modules/hls.js/dist/hls.js",
}
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required --auto-accept-this-tab-capture
  --allow-loopback-in-peer-connection --disable-dev-shm-usage
  --disable-background-timer-throttling --disable-renderer-backgrounding --window-size=1400,900""".split()
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
}
# A page that waits for a command asks again after this long, so that a closed page leaves no thread behind.
POLL_S = 10


class PageError(Exception):
    """A function of the page threw."""


class Browser:
    """One Chromium with one page, e.g. `publisher.html`."""

    def __init__(self, page, directory, name="chromium"):
        self.files, self.folders = {}, []
        self._commands, self._results = queue.Queue(), queue.Queue()
        self._server = Server(("127.0.0.1", 0), handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._profile = tempfile.mkdtemp(prefix="tapedeck-chromium-")
        chromium = shutil.which("chromium")
        assert chromium, "chromium is not installed"
        argv = [chromium, *FLAGS, f"--user-data-dir={self._profile}", f"{self.origin}/{page}"]
        self.process = Process(name, argv, directory)
        self.call("hello")

    def call(self, function, *arguments, deadline_s=DEADLINE_S):
        """The result of the page's `commands[function](...arguments)`."""
        self._commands.put({"function": function, "arguments": arguments})
        try:
            answer = self._results.get(timeout=deadline_s)
        except queue.Empty:
            raise AssertionError(f"the page did not answer {function}:\n{self.process.tail()}") from None
        if "error" in answer:
            raise PageError(f"{function}: {answer['error']}")
        return answer.get("result")

    def serve(self, path):
        """The URL under which the page finds this file."""
        self.files[f"/files/{len(self.files)}{Path(path).suffix}"] = Path(path)
        return list(self.files)[-1]

    def serve_folder(self, path):
        """The URL under which the page finds what is in this folder, now and later."""
        self.folders.append(Path(path))
        return f"/folders/{len(self.folders) - 1}"

    def stop(self):
        self.process.popen.terminate()
        self.process.wait()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._profile, ignore_errors=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A browser that is closed resets its connections; anything else is shown."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def handler(browser):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = urlparse(self.path).path
            if path == "/next":
                try:
                    self._send(json.dumps(browser._commands.get(timeout=POLL_S)).encode(), "application/json")
                except queue.Empty:
                    self._send(b"null", "application/json")
            elif path in browser.files:
                self._send_range(browser.files[path])
            elif path in LIBRARIES:
                self._send(LIBRARIES[path].read_bytes(), "text/javascript")
            elif path.startswith("/folders/"):
                self._send_of_folder(path)
            else:
                self._send_page(HERE / "page" / Path(path).name)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            browser._results.put(json.loads(body))
            self._send(b"{}", "application/json")

        def _send_page(self, file):
            if file.is_file():
                self._send(file.read_bytes(), TYPES[file.suffix])
            else:
                self._send(b"", "text/plain", status=404)

        def _send_of_folder(self, path):
            _, _, number, name = path.split("/", 3)
            file = browser.folders[int(number)] / unquote(name)
            if file.is_file():
                self._send(file.read_bytes(), TYPES[file.suffix], {"Cache-Control": "no-cache"})
            else:
                self._send(b"", "text/plain", status=404)

        def _send_range(self, file):
            data, (start, end) = file.read_bytes(), (0, file.stat().st_size - 1)
            wanted = self.headers.get("Range")
            if not wanted:
                self._send(data, TYPES[file.suffix], {"Accept-Ranges": "bytes"})
                return
            first, last = wanted.removeprefix("bytes=").split("-")
            start, end = int(first), int(last) if last else end
            headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end}/{len(data)}"}
            self._send(data[start : end + 1], TYPES[file.suffix], headers, status=206)

        def _send(self, body, content_type, headers=None, status=200):
            self.send_response(status)
            for name, value in {"Content-Type": content_type, "Content-Length": len(body), **(headers or {})}.items():
                self.send_header(name, str(value))
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                pass

        def log_message(self, *_):
            pass

    return Handler
