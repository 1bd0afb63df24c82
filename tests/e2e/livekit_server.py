"""A real LiveKit server on loopback, as the second room server of the suite."""

import json
import os

import requests

from process import Process, eventually, free_ports

KEY, SECRET = "devkey", "a-secret-of-at-least-32-characters-for-tests"


def installed():
    """Path of the server, or None where it could not be built because Go is missing."""
    return os.environ.get("E2E_LIVEKIT_SERVER")


class LiveKit:
    def __init__(self, directory):
        self.directory = directory
        self.port, self.udp_port, self.tcp_port = free_ports(3)
        self.key, self.secret = KEY, SECRET
        self.config = directory / "livekit.json"
        self.config.write_text(json.dumps(self._config()))
        self.starts = 0
        self.start()

    def _config(self):
        return {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": self.tcp_port,
                "udp_port": self.udp_port,
                "use_external_ip": False,
                "use_ice_lite": True,
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
                # An empty list means its built-in public servers.
                "stun_servers": ["127.0.0.1:3478"],
            },
            "keys": {KEY: SECRET},
        }

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def start(self):
        self.starts += 1
        argv = [installed(), "--config", self.config, "--node-ip", "127.0.0.1"]
        self.process = Process(f"livekit-{self.starts}", argv, self.directory)
        eventually(self._ready, "LiveKit server answers")

    def _ready(self):
        assert self.process.popen.poll() is None, f"LiveKit server ended:\n{self.process.tail()}"
        try:
            return requests.get(f"http://127.0.0.1:{self.port}", timeout=5).ok
        except requests.ConnectionError:
            return False

    def kill(self):
        self.process.kill()

    def stop(self):
        if self.process.popen.poll() is None:
            self.process.kill()
