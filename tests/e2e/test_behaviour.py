"""One recording of a room whose users do what users do: come late, mute, go and come back, share their screen.

The room is recorded once for each room server; each test looks at one user's files.
"""

import time
from threading import Event

import pytest

import openapi
import players
from probe import (
    assert_in_sync,
    assert_on_the_wall_clock,
    assert_whole,
    frame_ms,
    probe,
    share_there,
    total,
)
from publishers import SdkPublisher, Synthetic, WebPublisher

ROOM, TASK = "behaviour", "cast"
SMALL = {"width": 320, "height": 180, "fps": 15}
# How long each absence lasts. Media time has to pass for it; nothing is waited for by it.
AWAY_S = 3.0
# Signalling, the last pictures on their way, the first key frame of a return.
EDGE_MS = 900
# Encoders of the SDKs drop a picture now and then on a busy machine, and browsers are less exact than our publisher.
SDK_SYNC_MS = 80


class Cast:
    """The recorded room: files by user and stream type, and when things were done (ms since the epoch)."""

    def __init__(self, venue, directory):
        self.venue, self.moments, self.users = venue, {}, {}
        try:
            self._play(directory)
        finally:
            for user in self.users.values():
                user.stop()

    def _sdk(self, identity, number, directory, *options):
        self.users[identity] = SdkPublisher(self.venue.rooms, ROOM, identity, number, directory, *options)
        return self.users[identity]

    def _synthetic(self, identity, directory, **options):
        self.users[identity] = Synthetic(self.venue.rooms, ROOM, directory, users=[identity], **SMALL, **options)

    def _play(self, directory):
        api = self.venue.api
        early = self._sdk("early", 1, directory)
        early.publish("camera", **SMALL)
        early.publish("microphone")
        web = self.users["web"] = WebPublisher(self.venue.rooms, ROOM, "web", 2, directory)
        web.publish("camera", width=640, height=360, fps=15, codec="h264", simulcast=True)
        web.publish("microphone")
        voice = self._sdk("voice", 3, directory, "--two-connections")

        api.start(ROOM, TASK)
        api.wait_status(ROOM, TASK, openapi.RUNNING)
        voice.publish("microphone")
        self._synthetic("vp8", directory, codec="vp8")
        self._synthetic("desk", directory, screen=True)
        self._pass(AWAY_S)
        self._note("first picture", lambda: voice.publish("camera", **SMALL))
        self._note("picture off", lambda: early.mute("camera", True))
        self._pass(AWAY_S)
        self._note("picture on", lambda: early.mute("camera", False))
        self._synthetic("late", directory)
        self._pass(AWAY_S)
        self._note("gone", lambda: (voice.unpublish("camera"), voice.unpublish("microphone")))
        self._note("sound off", lambda: early.mute("microphone", True))
        self._pass(AWAY_S)
        self._note("back", lambda: (voice.publish("camera", **SMALL), voice.publish("microphone")))
        self._note("sound on", lambda: early.mute("microphone", False))
        self._pass(AWAY_S)
        self._note("stop", lambda: api.stop(ROOM, TASK))
        self.task = api.wait_status(ROOM, TASK, openapi.ENDED)
        self._note("ended", lambda: None)
        self.files = self.venue.server.files(self.task)
        self.reports = {}

    def _pass(self, seconds):
        Event().wait(seconds)

    def _note(self, name, act):
        self.moments[name] = time.time() * 1000
        act()

    def only(self, user, stream_type=0):
        """Row and report of the only file of a stream."""
        ((path, file),) = self.files[(user, stream_type)]
        if path not in self.reports:
            self.reports[path] = probe(path)
        return file, self.reports[path]

    def at(self, file, moment):
        """A moment on the timeline of a file, ms."""
        return self.moments[moment] - file["StartTime"]


@pytest.fixture(scope="module")
def cast(venue, tmp_path_factory):
    return Cast(venue, tmp_path_factory.mktemp("cast"))


def overlap(spans, start, end):
    """How much of the time from `start` to `end` the spans cover, ms."""
    return sum(max(0, min(end, s["ms"] + s["length_ms"]) - max(start, s["ms"])) for s in spans)


def assert_ends_with_the_stop(cast, file):
    end = file["StartTime"] + file["Duration"]
    assert cast.moments["stop"] - 50 <= end <= cast.moments["ended"], (end, cast.moments)


def test_every_stream_has_one_file(cast):
    users = ["early", "web", "voice", "vp8", "desk", "late"]
    assert sorted(cast.files) == sorted([(user, 0) for user in users] + [("desk", 1)])
    assert all(len(files) == 1 for files in cast.files.values())
    assert cast.task["StopReason"] == "StopByAPI"
    assert cast.task["StartTime"] <= cast.task["EndTime"]


def test_stop_is_final_within_seconds(cast):
    assert cast.moments["ended"] - cast.moments["stop"] < 5000


def test_every_file_is_clean_and_ends_with_the_stop(cast):
    for files in cast.files.values():
        for path, file in files:
            players.ffmpeg(path, file["Duration"] / 1000)
            players.gstreamer(path, file["Duration"] / 1000)
            assert_ends_with_the_stop(cast, file)
            assert file["Size"] == path.stat().st_size


def test_published_before_the_start_then_muted(cast):
    file, report = cast.only("early")
    assert report["video"]["user"] == 1 and report["audio"]["tone_hz"] == 700
    assert (file["VideoCodec"], file["AudioCodec"], file["VideoWidth"], file["VideoHeight"]) == ("h264", "aac", 320, 180)
    off, on = cast.at(file, "picture off"), cast.at(file, "picture on")
    black = overlap(report["video"]["black"], off, on)
    assert black > on - off - EDGE_MS, report["video"]["black"]
    # A key frame is waited for twice: at the beginning and after the pause.
    assert total(report["video"]["black"]) - black < 2 * EDGE_MS, report["video"]["black"]
    assert overlap(report["audio"]["silences"], off, on) < 100, "the sound goes on without picture"
    off, on = cast.at(file, "sound off"), cast.at(file, "sound on")
    silent = overlap(report["audio"]["silences"], off, on)
    assert silent > on - off - EDGE_MS, report["audio"]["silences"]
    assert total(report["audio"]["silences"]) - silent < EDGE_MS, report["audio"]["silences"]
    assert_in_sync(report, SDK_SYNC_MS)
    assert_on_the_wall_clock(report, file, SDK_SYNC_MS)


def test_browser_with_simulcast_is_recorded_at_its_best_layer(cast):
    file, report = cast.only("web")
    assert report["video"]["user"] == 2
    # A room server may fall back to a smaller layer when the browser has no time for the large one.
    assert [640, 360] in report["video"]["sizes"]
    assert (file["VideoWidth"], file["VideoHeight"]) == (640, 360)
    # A browser on a busy machine paints and sends fewer frames than asked for; what came is there and whole.
    assert share_there(report) > 0.5
    assert not report["video"]["unreadable"] and not report["video"]["out_of_order"] and not report["video"]["damaged"]
    assert_in_sync(report, SDK_SYNC_MS, pairs=8)


def test_late_publisher(cast):
    file, report = cast.only("late")
    assert file["StartTime"] > cast.moments["picture on"]
    assert_whole(report)
    assert_in_sync(report)


def test_first_words_before_the_first_picture(cast):
    file, report = cast.only("voice")
    black = report["video"]["black"]
    assert black and black[0]["ms"] < frame_ms(report), black
    assert 0 < black[0]["length_ms"] - cast.at(file, "first picture") < EDGE_MS, black
    assert report["audio"]["first_ms"] < 30
    assert sum(beep["ms"] < black[0]["length_ms"] for beep in report["audio"]["beeps"]) >= 2


def test_gone_and_back(cast):
    file, report = cast.only("voice")
    off, on = cast.at(file, "gone"), cast.at(file, "back")
    assert overlap(report["video"]["black"], off, on) > on - off - EDGE_MS, report["video"]["black"]
    assert overlap(report["audio"]["silences"], off, on) > on - off - EDGE_MS, report["audio"]["silences"]
    assert_in_sync(report, SDK_SYNC_MS)
    assert_on_the_wall_clock(report, file, SDK_SYNC_MS)


def test_screen_beside_camera(cast):
    for stream_type in (0, 1):
        _, report = cast.only("desk", stream_type)
        assert_whole(report)
        assert_in_sync(report)


def test_a_picture_of_another_codec_is_encoded_anew_and_told(cast):
    file, report = cast.only("vp8")
    assert_whole(report)
    assert_in_sync(report)
    assert (file["VideoCodec"], file["AudioCodec"]) == ("h264", "aac")
    assert any("video/VP8 and is encoded anew" in line for line in cast.venue.server.process.lines)
