"""`kill -9` of everything, at any moment: at most a second of media before it is lost, and the file stays one and true."""

import os
import random
import time
from threading import Event

import openapi
import players
import pytest
from livekit_server import LiveKit
from probe import SYNC_MS, assert_in_sync, assert_on_the_wall_clock, probe, silences
from process import eventually
from publishers import Synthetic
from server import Server

TASK = "killed"
SIZE = {"width": 640, "height": 360, "fps": 30}
# Media from before a kill that may be missing.
LOST_MS = 1000
# From a kill of a recorder until its successor records: restart, join. Sound needs nothing else.
BACK_MS = 2000
# A picture begins with a key frame; synthetic users send one a second, whoever asks for another.
KEY_MS = 1000
# After a restart of a server the clients' own reconnecting comes on top.
REJOIN_MS = 15_000


@pytest.fixture(params=["embedded", "livekit"])
def killable(request, tmp_path_factory):
    """A server and a room server of this test's own: `(server, api, rooms, livekit or None)`."""
    livekit = None
    if request.param == "livekit":
        request.getfixturevalue("livekit")  # skips where there is none
        livekit = LiveKit(tmp_path_factory.mktemp("livekit"))
    server = Server(tmp_path_factory.mktemp("server"), livekit)
    api, rooms = (server.foreign_api, livekit) if livekit else (server.api, server.rooms)
    yield server, api, rooms, livekit
    server.stop()
    server.check()
    if livekit:
        livekit.stop()


def started(api, room):
    api.start(room, TASK)
    api.wait_status(room, TASK, openapi.RUNNING)


def recorded(server):
    """Waits until some media of the running task is in the spool."""

    def grown():
        return any(file.stat().st_size > 200_000 for file in server.data.glob("spool/*/*.mp4"))

    eventually(grown, "media in the spool")


def stopped(server, api, room):
    """Stops; returns the only file's path, row, report, and the moment of the stop (ms since the epoch)."""
    moment = time.time() * 1000
    api.stop(room, TASK)
    task = api.wait_status(room, TASK, openapi.ENDED)
    ((path, file),) = sum(server.files(task).values(), [])
    return path, file, probe(path, "--list"), moment


def holes(file, report):
    """Where pictures of the user are missing for more than 100 ms, as (start, end) in ms since the epoch."""
    shown = [p["ms"] for p in report["video"]["list"] if p["number"] is not None and not p["frozen"]]
    return [(file["StartTime"] + a, file["StartTime"] + b) for a, b in zip(shown, shown[1:]) if b - a > 100]


def assert_true_and_clean(path, file, report, stop_ms):
    assert abs(file["StartTime"] + file["Duration"] - stop_ms) < 100
    assert not any(report["video"][flaw] for flaw in ("duplicated", "out_of_order", "unreadable", "damaged"))
    assert_in_sync(report, SYNC_MS)
    assert_on_the_wall_clock(report, file)
    players.ffmpeg(path, file["Duration"] / 1000)


def assert_explained(found, moments, back_ms):
    """Every hole begins at most LOST_MS before one of the moments and ends soon after the last one in it."""
    for start, end in found:
        inside = [m for m in moments if start - 100 <= m <= end]
        assert inside, f"a hole of {end - start:.0f} ms without a cause"
        assert inside[0] - start <= LOST_MS, f"{inside[0] - start:.0f} ms of media from before a kill are lost"
        assert end - inside[-1] <= back_ms, f"back only {end - inside[-1]:.0f} ms after a kill"


def test_twenty_kills_of_the_recorder(killable, tmp_path):
    server, api, rooms, _ = killable
    room, chance, kills = "twenty", random.Random(20), []
    with Synthetic(rooms, room, tmp_path, users=["alice"], **SIZE):
        started(api, room)
        recorded(server)
        for _ in range(20):
            Event().wait(chance.uniform(0.2, 2.5))
            kills.append(time.time() * 1000)
            killed = server.kill_recorder()
            eventually(lambda: [p for p in server.recorders() if p != killed], "another recorder", deadline_s=1.5)
        Event().wait(3)
        path, file, report, stop_ms = stopped(server, api, room)
    assert_true_and_clean(path, file, report, stop_ms)
    assert_explained(holes(file, report), kills, BACK_MS + KEY_MS)
    silent = silences(file, report)
    assert_explained(silent, kills, BACK_MS)
    assert len(silent) >= 5, "nothing was interrupted"
    players.gstreamer(path, file["Duration"] / 1000)


def test_kill_of_the_server_and_restart(killable, tmp_path):
    server, api, rooms, livekit = killable
    room = "server"
    publisher = Synthetic(rooms, room, tmp_path, users=["alice"], **SIZE)
    started(api, room)
    recorded(server)
    orphans = server.recorders()
    kill_ms = time.time() * 1000
    server.kill()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in orphans), "recorders end with their server")
    server.start()
    restart_ms = time.time() * 1000
    assert api.get(room, TASK)["Status"] == openapi.RUNNING
    if not livekit:
        # Its rooms died with the server; whoever wants to be recorded joins again.
        publisher.stop()
        publisher = Synthetic(rooms, room, tmp_path, users=["alice"], **SIZE)
    Event().wait(8)
    path, file, report, stop_ms = stopped(server, api, room)
    publisher.stop()
    assert_true_and_clean(path, file, report, stop_ms)
    (hole,) = holes(file, report)
    assert_explained([hole], [kill_ms, restart_ms], REJOIN_MS)


def test_kill_of_the_server_while_it_stops_a_task(killable, tmp_path):
    server, api, rooms, _ = killable
    room = "stopping"
    with Synthetic(rooms, room, tmp_path, users=["alice", "bob"], **SIZE):
        started(api, room)
        recorded(server)
        api.stop(room, TASK)
        server.kill()
    server.start()
    task = api.wait_status(room, TASK, openapi.ENDED)
    assert task["StopReason"] == "StopByAPI"
    for ((path, file),) in server.files(task).values():
        players.ffmpeg(path, file["Duration"] / 1000)
    assert len(server.files(task)) == 2


def test_what_was_answered_survives(killable):
    server, api, _, _ = killable
    api.start("durable", TASK)
    server.kill()
    server.start()
    assert api.get("durable", TASK)["Status"] in (openapi.NOT_STARTED, openapi.RUNNING)
    assert "repeatedly" in api.start("durable", TASK)
    api.stop("durable", TASK)
    api.wait_status("durable", TASK, openapi.ENDED)


def test_restart_of_a_livekit_server_costs_one_gap(livekit, tmp_path_factory, tmp_path):
    rooms = LiveKit(tmp_path_factory.mktemp("livekit"))
    server = Server(tmp_path_factory.mktemp("server"), rooms)
    api, room = server.foreign_api, "restart"
    publisher = Synthetic(rooms, room, tmp_path, users=["alice"], **SIZE)
    started(api, room)
    recorded(server)
    kill_ms = time.time() * 1000
    rooms.kill()
    rooms.start()
    publisher.stop()
    publisher = Synthetic(rooms, room, tmp_path, users=["alice"], **SIZE)
    back_ms = time.time() * 1000
    Event().wait(12)
    path, file, report, stop_ms = stopped(server, api, room)
    publisher.stop()
    assert_true_and_clean(path, file, report, stop_ms)
    (hole,) = holes(file, report)
    assert_explained([hole], [kill_ms, back_ms], REJOIN_MS)
    assert [line for line in server.process.lines if "interrupted" in line or "connection lost" in line], "not told"
    server.stop()
    server.check()
    rooms.stop()
