"""A tapedeck server of its own for a test: free ports, a temporary folder, two apps.

The app `EMBEDDED` has its rooms on the embedded room server, the app `FOREIGN` on a LiveKit server, so one tapedeck
serves both halves of the suite.
"""

import os
import signal

import requests

from openapi import Api
from process import ROOT, Process, children, eventually, free_ports, run

BINARY = os.environ.get("E2E_TAPEDECK", ROOT / "target/debug/tapedeck")
EMBEDDED, FOREIGN = "e2e000000000000000000001", "e2e000000000000000000002"
ACCESS_KEY, SECRET_KEY = "AKe2e", "a secret of the tests"
ROOM_KEY, ROOM_SECRET = "e2ekey", "a room secret of at least 32 characters"

CONFIG = """
[server]
data_dir = "{data}"
api_bind = "127.0.0.1:{api}"
log = "{log}"

[rooms]
http_bind = "127.0.0.1:{rooms}"
udp_bind = "127.0.0.1:{media}"
advertise = ["127.0.0.1"]

[images]
allowed_networks = ["127.0.0.0/8"]

[[rooms.keys]]
key = "{room_key}"
secret = "{room_secret}"

[[apps]]
id = "{embedded}"
room_server = "embedded"

[[apps.access_keys]]
id = "{access_key}"
secret = "{secret_key}"
"""

FOREIGN_CONFIG = """
[[apps]]
id = "{foreign}"
room_server = "foreign"

[[apps.access_keys]]
id = "{access_key}-foreign"
secret = "{secret_key}"

[room_servers.foreign]
url = "{url}"
api_key = "{key}"
api_secret = "{secret}"
"""


class Rooms:
    """A room server as its clients see it."""

    def __init__(self, url, key, secret):
        self.url, self.key, self.secret = url, key, secret


class Server:
    def __init__(self, directory, foreign=None, log="info", config=""):
        """`foreign`: the room server of the app FOREIGN; `config`: further sections of the configuration."""
        self.directory = directory
        self.data = directory / "data"
        self.config = directory / "tapedeck.toml"
        self.api_port, self.rooms_port, self.media_port = free_ports(3)
        self.config.write_text(self._config(foreign, log) + config)
        self.rooms = Rooms(f"ws://127.0.0.1:{self.rooms_port}", ROOM_KEY, ROOM_SECRET)
        self.api = Api(self.api_port, EMBEDDED, ACCESS_KEY, SECRET_KEY)
        self.foreign_api = Api(self.api_port, FOREIGN, f"{ACCESS_KEY}-foreign", SECRET_KEY)
        self.starts = 0
        self.start()

    def _config(self, foreign, log):
        values = {
            "data": self.data,
            "api": self.api_port,
            "rooms": self.rooms_port,
            "media": self.media_port,
            "log": log,
            "room_key": ROOM_KEY,
            "room_secret": ROOM_SECRET,
            "embedded": EMBEDDED,
            "foreign": FOREIGN,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        }
        text = CONFIG.format(**values)
        if foreign:
            text += FOREIGN_CONFIG.format(**values, url=foreign.url, key=foreign.key, secret=foreign.secret)
        return text

    def start(self):
        self.starts += 1
        argv = [BINARY, "serve", "--config", self.config]
        self.process = Process(f"tapedeck-{self.starts}", argv, self.directory)
        eventually(self._ready, "tapedeck answers")

    def _ready(self):
        assert self.process.popen.poll() is None, f"tapedeck ended:\n{self.process.tail()}"
        try:
            return all(requests.get(f"http://127.0.0.1:{p}/", timeout=5) is not None for p in (self.api_port, self.rooms_port))
        except requests.ConnectionError:
            return False

    def recorders(self):
        """Process ids of the recorders, which are the server's only children."""
        return children(self.process.pid)

    def kill_recorder(self):
        """`kill -9` of a recorder; returns its process id."""
        pid = eventually(self.recorders, "a recorder runs")[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill(self):
        """`kill -9` of the server."""
        self.process.kill()

    def stop(self):
        if self.process.popen.poll() is None:
            self.process.stop()

    def check(self):
        """Rows, spool and library agree."""
        return run([BINARY, "check", "--config", self.config])

    def place(self, file):
        """The path of a finished file, and what the API says of it."""
        # The name ends with the end of the Vid.
        (path,) = self.data.glob(f"library/*/*_{file['Vid'][-8:]}.mp4")
        return path, file

    def files_by_format(self, task, formats):
        """Path and entry of each file of the only recording. They are listed in the order of the request and share one name."""
        listed = task["RecordFileList"]
        assert len(listed) == len(formats), listed
        (stem,) = {file["Vid"][-8:] for file in listed}
        found = {}
        for name, file in zip(formats, listed, strict=True):
            extension = "m3u8" if name == "HLS" else name.lower()
            (path,) = self.data.glob(f"library/*/*_{stem}.{extension}")
            found[name] = path, file
        assert len({path.stem for path, _ in found.values()}) == 1
        return found

    def files(self, task):
        """Paths of a task's finished files by user and stream type, each list in the order of the recording."""
        found = {}
        for file in sorted(task["RecordFileList"], key=lambda f: f["StartTime"]):
            (stream,) = file["StreamList"]
            found.setdefault((stream["UserId"], stream["StreamType"]), []).append(self.place(file))
        return found
