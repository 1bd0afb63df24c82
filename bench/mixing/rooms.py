"""Mixed recording of real rooms: synthetic users publish into the embedded room server, and a recorder process each, told
what the worker tells it, makes one file of a room."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

from single import BINARY, KEY, SECRET, CoreShare, cpu

SIZE, FPS, KBITS = (1280, 720), 25, 2000
MEDIA = ["--size", "640x360", "--fps", 25, "--bitrate", 700]
TASK = 1


class MixedRoom:
    """`users` publish, and a recorder mixes them."""

    def __init__(self, bench, name, users):
        self.folder = bench.folder / name
        self.folder.mkdir()
        publish = ["publish", "--room", name, "--users", users, *MEDIA]
        self.users = bench.tapedeck(*publish, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.bench, self.name = bench, name

    def record(self):
        self.reports = self.folder / "reports"
        quiet = {**os.environ, "TAPEDECK_SERVER_LOG": "error"}
        with self.reports.open("w") as reports:
            self.recorder = subprocess.Popen([BINARY, "recorder"], stdin=subprocess.PIPE, stdout=reports, env=quiet, text=True)
        settings = {"fragment_ms": 400, "sync_ms": 2000, "reorder_ms": 1500, "key_frame_ms": 10000}
        self.tell({"do": "open", "url": self.bench.url, "api_key": KEY, "api_secret": SECRET, "room": self.name,
                   "identity": "recorder", "settings": settings})
        layout = {"width": SIZE[0], "height": SIZE[1], "background": [0, 0, 0], "background_image": None,
                  "frame_fill": 0, "arrangement": "adaptive", "max_cells": 17,
                  "overlays": {"names": False, "clock": None, "watermarks": []}}
        output = {"mode": "mix", "layout": layout, "images": {}, "fonts": [],
                  "video": {"codec": "h264", "encoder": None, "fps": FPS, "bitrate": KBITS * 1000, "gop_s": 4},
                  "audio": {"rate": 48000, "channels": 2, "bitrate": 64000}}
        self.tell({"do": "start", "task": TASK, "dir": str(self.folder), "select": {"targets": [], "excluded": []},
                   "output": output, "formats": ["MP4"], "audio_only": False, "max_idle_ms": 180000})

    def tell(self, command):
        self.recorder.stdin.write(json.dumps(command) + "\n")
        self.recorder.stdin.flush()

    def wait(self, report):
        """Waits until the recorder has reported this."""
        deadline = time.monotonic() + 60
        while f'"report":"{report}"' not in self.reports.read_text():
            if time.monotonic() > deadline:
                sys.exit(f"the recorder does not report {report!r}:\n{self.reports.read_text()}")
            time.sleep(0.1)

    def peak_mb(self):
        """The most memory that the recorder ever had, MB."""
        status = pathlib.Path(f"/proc/{self.recorder.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        """Ends the recording; gives what the recorder reported."""
        self.tell({"do": "stop", "task": TASK})
        self.wait("stopped")
        self.recorder.stdin.close()
        self.recorder.wait(20)
        self.users.send_signal(signal.SIGINT)
        self.users.wait(20)
        return [json.loads(line) for line in self.reports.read_text().splitlines()]


def record(bench, rooms, users, seconds, share=None):
    """Mixes that many rooms at once. Gives processor seconds per second and room, the peak of memory per room in MB, and
    what was not as it should be."""
    mixed = [MixedRoom(bench, f"room-{rooms}x{users}-{n}", users) for n in range(rooms)]
    # The users' pictures are encoded before they publish.
    time.sleep(6 + rooms)
    for room in mixed:
        room.record()
        if share:
            share.add(room.recorder.pid)
    for room in mixed:
        room.wait("file_opened")
    time.sleep(3)
    before, started = [sum(cpu(room.recorder.pid)) for room in mixed], time.monotonic()
    time.sleep(seconds)
    after, window = [sum(cpu(room.recorder.pid)) for room in mixed], time.monotonic() - started
    memory = max(room.peak_mb() for room in mixed)
    faults = [fault for room in mixed for fault in faults_of(room.stop(), users)]
    for room in mixed:
        shutil.rmtree(room.folder)
    return (sum(after) - sum(before)) / window / rooms, memory, faults


def faults_of(reports, users):
    """What a recorder reported that it should not have, and what it should have."""
    faults = [report["text"] for report in reports if report["report"] == "note"]
    streams = sum(report["report"] == "mixed" for report in reports)
    if streams != users:
        faults.append(f"{streams} of {users} users")
    if not any(report["report"] == "file_finished" for report in reports):
        faults.append("no file")
    return faults


def most_in_a_core(bench, users, seconds, expected):
    """The most rooms whose mixes kept every frame within one core, and why one more did not."""
    share, most, why = CoreShare(1.0), 0, ["not tried"]
    try:
        for rooms in range(max(1, expected - 2), expected + 4):
            cost, _, why = record(bench, rooms, users, seconds, share)
            print(f"  {rooms} rooms of {users} users in one core: {cost:.3f} of a core each, {why or 'every frame'}", flush=True)
            if why:
                break
            most = rooms
    finally:
        share.remove()
    return most, why
