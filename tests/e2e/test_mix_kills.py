"""`kill -9` of the recorder of a mix: its successor goes on in the file, and everybody stands where they were."""

import time
from threading import Event

import openapi
import players
from mixed import look, only_file
from probe import assert_on_the_wall_clock, frame_ms, silences
from process import eventually
from publishers import SdkPublisher, Synthetic

TASK = "mix"
SIZE = {"width": 640, "height": 360, "fps": 25}
MIX = {"RecordMode": 0, "Encode": {"VideoWidth": 1280, "VideoHeight": 360, "VideoFps": 25}}
# From a kill of the recorder until its successor records: restart, join. Sound needs nothing else.
BACK_MS = 2000
# A picture begins with a key frame; synthetic users send one a second, whoever asks for another.
KEY_MS = 1000
# Numbers of users in the marks.
BOB, ALICE = 0, 1


def recorded(server, size=400_000):
    """Waits until some media of the mix is in the spool."""
    grown = lambda: any(file.stat().st_size > size for file in server.data.glob("spool/*/*.mp4"))
    eventually(grown, "media in the spool")


def test_a_killed_mix_goes_on_in_its_file(server, tmp_path):
    with Synthetic(server.rooms, "killed-mix", tmp_path, users=["alice", "bob"], **SIZE):
        server.api.start("killed-mix", TASK, **MIX)
        server.api.wait_status("killed-mix", TASK, openapi.RUNNING)
        recorded(server)
        killed = time.time() * 1000
        server.kill_recorder()
        Event().wait(6)
        server.api.stop("killed-mix", TASK)
        task = server.api.wait_status("killed-mix", TASK, openapi.ENDED)
    path, file = only_file(server, task)
    report = look(path, 0, 0)
    numbers = [picture for picture in report["video"]["list"] if picture.get("number") is not None]
    changes = [b["ms"] for a, b in zip(numbers, numbers[1:]) if a["number"] != b["number"]]
    still = max(zip(changes, changes[1:]), key=lambda pair: pair[1] - pair[0])
    before, after = (file["StartTime"] + ms for ms in still)
    assert killed - before < 1000 and after - killed < BACK_MS + KEY_MS, (killed - before, after - killed)
    ((before, after),) = silences(file, report)
    assert killed - before < 1000 and after - killed < BACK_MS, (killed - before, after - killed)
    assert_on_the_wall_clock(report, file, frame_ms(report) + 10)
    players.ffmpeg(path, file["Duration"] / 1000)


def test_after_a_kill_everybody_stands_where_they_were(server, tmp_path):
    room = "places"
    # Alice joins first and publishes last.
    alice = SdkPublisher(server.rooms, room, "alice", ALICE, tmp_path)
    with Synthetic(server.rooms, room, tmp_path, users=["bob"], **SIZE):
        server.api.start(room, TASK, **MIX)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        alice.publish("camera", width=640, height=360, fps=15)
        Event().wait(3)
        published = time.time() * 1000
        Event().wait(2)
        server.kill_recorder()
        killed = time.time() * 1000
        Event().wait(6)
        server.api.stop(room, TASK)
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    alice.stop()
    path, file = only_file(server, task)
    for x, user in ((0, BOB), (640, ALICE)):
        pictures = look(path, x, 0)["video"]["list"]
        seen = [(file["StartTime"] + p["ms"], p["user"]) for p in pictures if p.get("user") is not None]
        assert {user for ms, user in seen if ms > published} == {user}, (x, seen)
        assert sum(ms > killed + BACK_MS + KEY_MS for ms, _ in seen) > 20, "nothing is seen after the kill"


def test_a_killed_mix_of_muted_users_goes_on(server, tmp_path):
    room = "muted"
    alice = SdkPublisher(server.rooms, room, "alice", ALICE, tmp_path)
    alice.publish("microphone")
    server.api.start(room, TASK, **MIX)
    server.api.wait_status(room, TASK, openapi.RUNNING)
    recorded(server, size=40_000)
    alice.mute("microphone", True)
    Event().wait(1)
    server.kill_recorder()
    Event().wait(5)
    stopped = time.time() * 1000
    server.api.stop(room, TASK)
    task = server.api.wait_status(room, TASK, openapi.ENDED)
    alice.stop()
    path, file = only_file(server, task)
    assert abs(file["StartTime"] + file["Duration"] - stopped) < 500
    players.ffmpeg(path, file["Duration"] / 1000)
