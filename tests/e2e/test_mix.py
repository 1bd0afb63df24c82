"""Mixed recording: one picture and one sound of the whole room."""

import time
from threading import Event

import openapi
import players
from mixed import assert_region, assert_to_the_end, assert_together, beeps, look, only_file
from publishers import Synthetic

TASK = "mix"
SIZE = {"width": 640, "height": 360, "fps": 25}
CANVAS = {"RecordMode": 0, "Encode": {"VideoWidth": 1280, "VideoHeight": 720, "VideoFps": 25}}
GRID = [(0, 0), (640, 0), (0, 360), (640, 360)]
# A busy recorder hears of the stop so much later, and plays what sound came late.
LATE_MS = 500


def test_four_users_in_one_picture(server, player, tmp_path):
    users = ["alice", "bob", "carol", "dave"]
    with Synthetic(server.rooms, "mixed", tmp_path, users=users, **SIZE):
        server.api.start("mixed", TASK, **CANVAS)
        server.api.wait_status("mixed", TASK, openapi.RUNNING)
        Event().wait(10)
        stopped = time.time()
        server.api.stop("mixed", TASK)
        task = server.api.wait_status("mixed", TASK, openapi.ENDED)
    path, file = only_file(server, task)
    assert sorted(stream["UserId"] for stream in file["StreamList"]) == users
    assert (file["VideoCodec"], file["AudioCodec"]) == ("h264", "aac")
    assert (file["VideoWidth"], file["VideoHeight"]) == (1280, 720)
    assert -50 < file["StartTime"] + file["Duration"] - stopped * 1000 < LATE_MS
    reports = [look(path, *corner) for corner in GRID]
    assert len({report["video"]["user"] for report in reports}) == 4, "each user in a place of their own"
    for report in reports:
        assert_region(report, file)
        assert_to_the_end(report, file)
    assert_together(reports)
    # Their tones sound at the same moments.
    heard = [len(beeps(path, tone)) for tone in (600, 700, 800, 900)]
    assert min(heard) >= 7, heard
    players.ffmpeg(path, file["Duration"] / 1000)
    players.gstreamer(path, file["Duration"] / 1000)
    players.chromium(player, path, file["Duration"] / 1000)


def region(index, x, width, **fields):
    return {"StreamIndex": index, "LocationX": x, "LocationY": 0, "Width": width, "Height": 360, **fields}


def custom(*regions):
    canvas = {"Width": 1280, "Height": 360, "Background": "#204060"}
    return {"LayoutMode": 2, "CustomLayout": {"Canvas": canvas, "Regions": list(regions)}}


def test_a_layout_is_changed_while_recording(server, tmp_path):
    streams = {"StreamList": [{"UserId": "alice", "Index": 1}, {"UserId": "bob", "Index": 2}]}
    with Synthetic(server.rooms, "changed", tmp_path, users=["alice", "bob", "carol"], **SIZE):
        layout = custom(region(1, 0, 640), region(2, 640, 640))
        server.api.start("changed", TASK, **CANVAS, TargetStreams=streams, Layout=layout)
        server.api.wait_status("changed", TASK, openapi.RUNNING)
        Event().wait(5)
        changed = time.time() * 1000
        swapped = custom(region(2, 0, 640), region(1, 640, 640))
        assert server.api.call("UpdateRecord", {**server.api.ids("changed", TASK), "Layout": swapped}) == "ok"
        Event().wait(5)
        server.api.stop("changed", TASK)
        task = server.api.wait_status("changed", TASK, openapi.ENDED)
        server.api.start("changed", "other", **CANVAS)
        server.api.wait_status("changed", "other", openapi.RUNNING)
        try:
            server.api.call("UpdateRecord", {**server.api.ids("changed", "other"), "Layout": swapped})
            raise AssertionError("only custom layouts can be changed")
        except openapi.ApiError as refusal:
            assert "UpdateError.CurrentLayoutNotSupported" in str(refusal)
        server.api.stop("changed", "other")
        server.api.wait_status("changed", "other", openapi.ENDED)
    path, file = only_file(server, task)
    assert sorted(stream["UserId"] for stream in file["StreamList"]) == ["alice", "bob"]
    pictures = look(path, 0, 0)["video"]["list"]
    users = [picture["user"] for picture in pictures if picture.get("user") is not None]
    first, last = users[0], users[-1]
    assert first != last and set(users) == {first, last}
    # One cut, without a torn picture, within two frames and the delay of the call.
    at = next(picture["ms"] for picture in pictures if picture.get("user") == last)
    assert users == [first] * users.count(first) + [last] * users.count(last)
    assert -100 < file["StartTime"] + at - changed < 500
