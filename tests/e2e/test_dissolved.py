"""A room that its server dissolves while it is recorded."""

import time
from threading import Event

import requests

import openapi
from probe import assert_on_the_wall_clock, probe
from publishers import SdkPublisher
from tokens import token

ROOM, TASK = "dissolved", "task"
# Shorter than a task may be idle.
GONE_S, IDLE_S = 3, 10
# The recorder joins again within two seconds; then somebody comes, and a key frame with them.
EDGE_MS = 3_000


def dissolve(rooms):
    """Deletes the room by the server's own API; everybody is put out. Returns when, in ms."""
    url = f"{rooms.url.replace('ws', 'http', 1)}/twirp/livekit.RoomService/DeleteRoom"
    bearer = token(rooms.key, rooms.secret, ROOM, "admin", roomCreate=True)
    now = time.time() * 1000
    requests.post(url, json={"room": ROOM}, headers={"Authorization": f"Bearer {bearer}"}, timeout=10).raise_for_status()
    return now


def visit(rooms, directory):
    """Somebody comes and stays until the room goes. When they began and when it went, in ms."""
    alice = SdkPublisher(rooms, ROOM, "alice", 1, directory)
    try:
        alice.publish("microphone")
        alice.publish("camera", width=320, height=180, fps=15)
        began = time.time() * 1000
        Event().wait(5)
        return began, dissolve(rooms)
    finally:
        alice.stop()


def test_the_task_goes_on_in_the_next_room_until_it_is_idle(server, livekit, tmp_path):
    api = server.foreign_api
    api.start(ROOM, TASK, Control={"MaxIdleTime": IDLE_S})
    api.wait_status(ROOM, TASK, openapi.RUNNING)
    _, gone = visit(livekit, tmp_path)
    Event().wait(GONE_S)
    back, end = visit(livekit, tmp_path)
    assert api.get(ROOM, TASK)["Status"] == openapi.RUNNING
    task = api.wait_status(ROOM, TASK, openapi.ENDED)
    assert task["StopReason"] == "IdleTimeOut"
    assert time.time() * 1000 - end > IDLE_S * 1000 - 500
    ((path, file),) = server.files(task)[("alice", 0)]
    # It ends where the second room did.
    assert abs(file["StartTime"] + file["Duration"] - end) < 1_000, (file, end)
    report = probe(path)
    assert_on_the_wall_clock(report, file, 80)
    for kind, spans in (("black", report["video"]["black"]), ("silent", report["audio"]["silences"])):
        (gap,) = (span for span in spans if span["length_ms"] > GONE_S * 500)
        begin = gap["ms"] + file["StartTime"]
        assert abs(begin - gone) < EDGE_MS and abs(begin + gap["length_ms"] - back) < EDGE_MS, (kind, gap)
