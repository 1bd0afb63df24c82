"""`./do demo`: a server of its own, two synthetic users, a recording of each and one of both mixed by the vendor's SDK, the
three files and their figures."""

import sys
import tempfile
from pathlib import Path
from threading import Event

import openapi
from probe import probe
from process import run
from publishers import Synthetic
from server import BINARY, Server

ROOM, TASK, MIX, SECONDS = "demo", "demo", "mix", 20


def main():
    directory = Path(tempfile.mkdtemp(prefix="tapedeck-demo-"))
    print(f"server, logs and files are in {directory}", flush=True)
    server = Server(directory)
    try:
        print(f"OpenAPI on port {server.api_port}, rooms on port {server.rooms_port}", flush=True)
        with Synthetic(server.rooms, ROOM, directory, users=["alice", "bob"], width=1280, height=720, fps=30):
            print(f"alice and bob are in the room; recording {SECONDS} s", flush=True)
            encode = {"VideoWidth": 1280, "VideoHeight": 360, "VideoFps": 30}
            server.api.start(ROOM, TASK)
            server.api.start(ROOM, MIX, RecordMode=0, Encode=encode)
            server.api.wait_status(ROOM, MIX, openapi.RUNNING)
            Event().wait(SECONDS)
            server.api.stop(ROOM, TASK)
            server.api.stop(ROOM, MIX)
            ended = [server.api.wait_status(ROOM, task, openapi.ENDED) for task in (TASK, MIX)]
        files = [server.place(file) for task in ended for file in task["RecordFileList"]]
        for path, file in files:
            show(path, file)
        server.check()
    finally:
        server.stop()
    return 0 if len(files) == 3 else 1


def show(path, file):
    sync = probe(path)["sync"]
    print(f"\n{path}\n  {file['Duration'] / 1000:.3f} s, {file['Size']} bytes, Vid {file['Vid']}")
    print(f"  sound against picture: {sync['median_ms']:+.1f} ms, {sync['min_ms']:+.1f} to {sync['max_ms']:+.1f} ms\n")
    print(run([BINARY, "probe", path]), end="", flush=True)


sys.exit(main())
