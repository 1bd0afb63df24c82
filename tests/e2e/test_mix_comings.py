"""One mixed recording in which users come and go, mute, change their size and have a bad network, beside one who does
nothing of it: nobody else is disturbed."""

import time
from contextlib import ExitStack
from threading import Event

import pytest

import openapi
import players
from mixed import assert_beeps, assert_complete, beeps, look, only_file
from probe import probe
from process import eventually
from publishers import SdkPublisher, Synthetic
from relay import BadNetwork
from server import Rooms

ROOM = "comings"
MIX = {"RecordMode": 0, "Encode": {"VideoWidth": 640, "VideoHeight": 360, "VideoFps": 25}}
ALONE = {"TargetStreams": {"StreamList": [{"UserId": "sizer"}]}, "Tapedeck": {"KeepSource": True}}
SYNTHETIC = {"width": 320, "height": 180, "fps": 25}
SDK = {"width": 320, "height": 180, "fps": 15}
GROWN = (640, 360)
BAD = {"loss": 0.05, "jitter_ms": 60}
# How long each phase lasts.
PHASE_S = 3.0
# Signalling, the last pictures on their way, the first key frame of a return.
EDGE_MS = 1500
# A frame shows what is captured up to half a frame later.
FRAME_MS = 40
# Windows of five and of four users.
FIVE = [(0, 0, 214, 120), (214, 0, 212, 120), (426, 0, 214, 120), (0, 120, 214, 120), (214, 120, 212, 120)]
FOUR = [(0, 0, 320, 180), (320, 0, 320, 180), (0, 180, 320, 180), (320, 180, 320, 180)]
# Numbers of users in the marks. The two synthetic ones have the same; one of them makes no sound. The tones are far from
# each other: beeps that begin 12 ms apart, as those of an SDK may, sound for a moment like one of a tone close by.
STILL, MUTER, SIZER, FAR, LEAVER = 0, 10, 20, 0, 30
STILL_HZ, LEAVER_HZ = 600, 3600
# How many of a user's pictures have to be there: an SDK on a busy machine sends fewer than asked for.
SDK_SHARE, BAD_SHARE = 0.5, 0.9


class Show:
    """The recorded room, and when things were done (ms since the epoch)."""

    def __init__(self, server, directory):
        self.server, self.directory, self.moments = server, directory, {}
        with ExitStack() as self.stack:
            self._play(server.api)
        self.path, self.file = only_file(server, self.task)
        self.lists = {}

    def _play(self, api):
        network = BadNetwork(self.directory, self.server.rooms_port, self.server.media_port)
        self.stack.callback(network.stop)
        network.impair(**BAD)
        self._synthetic("still", self.server.rooms)
        muter = self._sdk("muter", MUTER)
        sizer = self._sdk("sizer", SIZER)
        self._synthetic("far", Rooms(network.url, self.server.rooms.key, self.server.rooms.secret), no_audio=True)
        leaver = self._sdk("leaver", LEAVER)
        for task, fields in (("mix", MIX), ("alone", ALONE)):
            api.start(ROOM, task, **fields)
            api.wait_status(ROOM, task, openapi.RUNNING)
        # A key frame of one a second, of which a packet may be lost: how long that takes is not the mix's doing.
        eventually(lambda: self._is_shown(FIVE[3], FAR), "the user behind the bad network is shown")
        self._pass("five")
        # Pictures that were due in the phase are sent up to a frame later, and would be muted ones.
        Event().wait(1 / SDK["fps"])
        muter.mute("camera", True)
        leaver.leave()
        self._pass("four")
        sizer.resize("camera", *GROWN)
        self._pass("grown")
        muter.mute("camera", False)
        self._sdk("leaver", LEAVER)
        self._pass("five again")
        for task in ("mix", "alone"):
            api.stop(ROOM, task)
        self.alone = api.wait_status(ROOM, "alone", openapi.ENDED)
        self.task = api.wait_status(ROOM, "mix", openapi.ENDED)
        self.stats = network.stats()["up"]

    def _synthetic(self, user, rooms, **options):
        self.stack.enter_context(Synthetic(rooms, ROOM, self.directory, users=[user], **SYNTHETIC, **options))

    def _sdk(self, user, number):
        publisher = SdkPublisher(self.server.rooms, ROOM, user, number, self.directory)
        self.stack.callback(publisher.stop)
        publisher.publish("camera", **SDK)
        publisher.publish("microphone")
        return publisher

    def _is_shown(self, window, user):
        """Whether the user's picture is the last one there in the growing file."""
        growing = next(self.server.data.glob("spool/*/0000-M.mp4"), None)
        video = look(growing, *window)["video"] if growing else None
        pictures = (video or {}).get("list", [])
        return bool(pictures) and pictures[-1]["user"] == user

    def _pass(self, phase):
        """Nothing happens for the length of a phase."""
        begin = time.time() * 1000
        Event().wait(PHASE_S)
        self.moments[phase] = begin, time.time() * 1000

    def within(self, phase, ms):
        """Whether a frame is of a phase, and not of its beginning, when users are still on their way."""
        begin, end = (moment - self.file["StartTime"] for moment in self.moments[phase])
        return begin + EDGE_MS < ms < end - FRAME_MS

    def pictures(self, window, phase):
        """What was to be seen there."""
        if window not in self.lists:
            self.lists[window] = look(self.path, *window)["video"]["list"]
        return [picture for picture in self.lists[window] if self.within(phase, picture["ms"])]

    def assert_shows(self, window, phase, user, fps, share):
        pictures = self.pictures(window, phase)
        assert pictures and all(picture["user"] == user for picture in pictures), (phase, window, pictures)
        numbers = [picture["number"] for picture in pictures]
        # They begin again after whole seconds, 20 or more.
        steps = [(after - before) % (20 * fps) for before, after in zip(numbers, numbers[1:])]
        assert max(steps) < 10 * fps, (phase, window, numbers)
        sent = (pictures[-1]["ms"] - pictures[0]["ms"]) * fps / 1000
        # A mix that falls behind shows fewer than were sent.
        assert len(set(numbers)) > share * min(sent, len(pictures)), (phase, window, numbers)


@pytest.fixture(scope="module")
def show(server, tmp_path_factory):
    return Show(server, tmp_path_factory.mktemp(ROOM))


def test_who_does_nothing_is_seen_and_heard_all_the_time(show):
    # His window is the upper left one of either grid: a part of it, or all.
    report = look(show.path, *FOUR[0])
    assert report["video"]["user"] == STILL
    assert_complete(report, show.file)
    readable = [picture["number"] is not None for picture in report["video"]["list"]]
    # Before his first picture those of his neighbours may reach into the larger window.
    assert all(readable[readable.index(True) :])
    # Up to the stop. The file may be longer by sound that came late.
    stopped = show.moments["five again"][1] - show.file["StartTime"]
    assert report["video"]["end_ms"] > stopped - 2 * FRAME_MS, (report["video"]["end_ms"], stopped)
    assert_beeps(show.path, show.file, STILL_HZ, count=3 * PHASE_S)
    players.ffmpeg(show.path, show.file["Duration"] / 1000)


def test_everybody_has_a_window_while_there(show):
    for phase in ("five", "five again"):
        for window, user in zip(FIVE, (STILL, MUTER, SIZER, FAR, LEAVER)):
            fps, share = {STILL: (SYNTHETIC["fps"], BAD_SHARE)}.get(user, (SDK["fps"], SDK_SHARE))
            show.assert_shows(window, phase, user, fps, share)


def test_who_left_leaves_no_window_and_who_muted_an_empty_one(show):
    for phase in ("four", "grown"):
        show.assert_shows(FOUR[0], phase, STILL, SYNTHETIC["fps"], BAD_SHARE)
        assert all(picture["black"] for picture in show.pictures(FOUR[1], phase))
        show.assert_shows(FOUR[2], phase, SIZER, SDK["fps"], SDK_SHARE)
        show.assert_shows(FOUR[3], phase, FAR, SYNTHETIC["fps"], BAD_SHARE)
    heard = beeps(show.path, LEAVER_HZ)
    in_phase = {phase: [beep for beep in heard if show.within(phase, beep)] for phase in show.moments}
    assert in_phase["five"] and not in_phase["four"] and not in_phase["grown"], (in_phase, show.moments)


def test_another_size_fills_the_same_window(show):
    ((_, ((path, _),)),) = show.server.files(show.alone).items()
    assert sorted(probe(path)["video"]["sizes"]) == [[SDK["width"], SDK["height"]], [*GROWN]]


def test_the_bad_network_was_bad(show):
    assert show.stats["lost"] > 10 and show.stats["overtaken"] > 20, show.stats
