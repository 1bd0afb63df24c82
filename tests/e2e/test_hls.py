"""HLS as pages play it, with hls.js in Chromium: while it is recorded, over a gap, and when it is complete."""

import time
from threading import Event

import marks
import openapi
import players
import pytest
from browser import Browser
from process import eventually
from publishers import Synthetic
from server import Server

TASK = "hls"
FPS = 30
SIZE = {"width": 640, "height": 360, "fps": FPS}
LIVE_S, GAP_S = 13, 8
# A user who comes or goes is seen so much later, and players may skip so much there.
EDGE_S = 1.5
# Between what the playlist says of a picture's time and what is drawn in it.
OFF_FRAMES = 3
DEADLINE_S = 120
MODES = {
    "single": {"RecordMode": 1},
    "mix": {"RecordMode": 0, "Encode": {"VideoWidth": 640, "VideoHeight": 360, "VideoFps": FPS}},
}


@pytest.fixture
def page(tmp_path):
    browser = Browser("hls.html", tmp_path, name="hls")
    yield browser
    browser.stop()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.stop()
    server.check()


def alice(server, room, tmp_path):
    return Synthetic(server.rooms, room, tmp_path, users=["alice"], **SIZE)


def growing(server, segments):
    """The playlist of a recording under way, once it names so many segments."""

    def found():
        playlists = server.data.glob("spool/*/*.m3u8")
        return next((path for path in playlists if path.read_text().count(".ts") >= segments), None)

    return eventually(found, f"{segments} segments", DEADLINE_S)


def open_in(page, playlist):
    return page.call("open", f"{page.serve_folder(playlist.parent)}/{playlist.name}")


def played_to(page, seconds):
    """Waits until the page has played so far."""

    def look():
        state = page.call("state")
        assert not [fault for fault in state["faults"] if fault["fatal"]], state["faults"]
        assert state["corrupted"] == 0, state
        return state if state["time_s"] >= seconds or state["ended"] else None

    return eventually(look, f"{seconds} s played", DEADLINE_S)


def is_black(picture):
    return max(picture["cells"]) < 40


def off_frames(picture):
    """By how many frames a picture that can be read is off its place on the wall clock."""
    mark = marks.read(picture["cells"])
    assert mark, f"cannot be read: {picture}"
    loop = FPS * marks.LOOP_SECONDS
    return (mark[0] - round(picture["date_s"] * FPS) + loop // 2) % loop - loop // 2


def assert_seen(page, there, away, least):
    """Of what the page showed: pictures in their place while alice was there, black while she was away."""
    seen = page.call("seen")

    def within(spans):
        inner = [(start + EDGE_S, end - EDGE_S) for start, end in spans]
        return [one for one in seen if any(start < one["date_s"] < end for start, end in inner)]

    pictures, blacks = within(there), within(away)
    dates = [one["date_s"] for one in seen]
    assert len(pictures) >= least[0] and len(blacks) >= least[1], (len(pictures), len(blacks), dates, there, away)
    assert all(map(is_black, blacks)), blacks
    off = {picture["date_s"]: off_frames(picture) for picture in pictures}
    assert all(abs(frames) <= OFF_FRAMES for frames in off.values()), (off, there, away)


@pytest.mark.parametrize("mode", MODES)
def test_live_over_a_gap_then_complete(server, page, tmp_path, mode):
    room = "live"
    with alice(server, room, tmp_path):
        began = time.time()
        server.api.start(room, TASK, **MODES[mode], FileFormatConfig={"FileFormat": ["HLS"]})
        playlist = growing(server, 2)
        assert open_in(page, playlist)["live"]
        played_to(page, LIVE_S - 8)
    left = time.time()
    # Black and silence are written as time passes, so that players go on.
    Event().wait(GAP_S)
    assert not players.valid_playlist(playlist)["endlist"]
    back = time.time()
    with alice(server, room, tmp_path):
        played_to(page, back - began + EDGE_S + 3)
        stopped = time.time()
        there, away = [(began, left), (back, stopped)], [(left, back)]
        # Every black picture of a single stream lasts for a second.
        assert_seen(page, there, away, least=(20, 2))
        assert not page.call("state")["ended"]
        server.api.stop(room, TASK)
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    (file,) = task["RecordFileList"]
    (path,) = server.data.glob(f"library/*/*_{file['Vid'][-8:]}.m3u8")
    players.hls(path)
    opened = open_in(page, path)
    seconds = file["Duration"] / 1000
    assert not opened["live"]
    assert abs(opened["duration_s"] - seconds) < 0.2, (opened, file)
    played_to(page, 4)
    # Into the gap, so that it is gone through again, and to the end.
    page.call("seek", left - file["StartTime"] / 1000 + EDGE_S)
    played_to(page, back - file["StartTime"] / 1000 + EDGE_S + 2)
    assert_seen(page, there, away, least=(5, 2))
    page.call("seek", seconds - 4)
    state = played_to(page, seconds - 0.1)
    assert abs(state["duration_s"] - seconds) < 0.2, (state, file)
    assert_seen(page, there, away, least=(2, 0))
