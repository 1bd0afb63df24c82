"""The report of a task against the plan: one room in which users mute, leave and come back, and send over a bad network,
and whose recorder is killed. Every gap has the cause, the beginning and the length that the plan gives it.
"""

import hashlib
import json
import os
import signal
import time
from threading import Event

import openapi
import pytest
from process import eventually, run
from publishers import SdkPublisher, Synthetic
from relay import BadNetwork
from server import BINARY, Rooms, Server

ROOM, TASK, MIX = "told", "account", "mixed"
SMALL = {"width": 320, "height": 180, "fps": 15}
MIXED = {"RecordMode": 0, "Encode": {"VideoWidth": 320, "VideoHeight": 180, "VideoFps": 15}}
LOSS = 0.05
# Signalling, the last media on its way.
EDGE_MS = 700
# After a return the first media, and the first key frame.
RETURN_MS = 2500
# Media from before a kill that may be missing while packets are being lost.
LOST_MS = 2500
# From a kill of a recorder until its successor has media.
BACK_MS = 3500


class Told:
    """What happened when (ms since the epoch), and what is told of it."""

    def __init__(self, directory, livekit):
        self.server = Server(directory, livekit)
        self.livekit, self.moments = livekit, {}
        self.api, self.rooms = self.server.api, self.server.rooms
        try:
            self._play(directory)
        finally:
            self.server.stop()

    def _play(self, directory):
        network = BadNetwork(directory, self.server.rooms_port, self.server.media_port)
        network.impair("up", loss=LOSS)
        far_rooms = Rooms(network.url, self.rooms.key, self.rooms.secret)
        self.api.start(ROOM, TASK)
        self.api.start(ROOM, MIX, **MIXED)
        for task in (TASK, MIX):
            self.api.wait_status(ROOM, task, openapi.RUNNING)
        self._now("begun")
        leaver = SdkPublisher(self.rooms, ROOM, "leaver", 3, directory)
        leaver.publish("camera", **SMALL)
        self._pass(0.5)
        leaver.publish("microphone")
        with (
            Synthetic(self.rooms, ROOM, directory, ["planned"], **SMALL, mute="audio:4s-8s"),
            Synthetic(far_rooms, ROOM, directory, ["far"], **SMALL),
        ):
            self._now("published")
            self._pass(5)
            leaver.leave()
            self._now("left")
            self._pass(4)
            leaver = SdkPublisher(self.rooms, ROOM, "leaver", 3, directory)
            leaver.publish("camera", **SMALL)
            # The SDK may leave out a track that is published while it negotiates the one before.
            self._pass(0.5)
            leaver.publish("microphone")
            self._now("back")
            self._pass(3)
            self.so_far = self.api.report(ROOM, TASK)
            self._kill()
            self._pass(6)
            self._now("stopped")
            for task in (TASK, MIX):
                self.api.stop(ROOM, task)
            leaver.stop()
            self.relayed = network.stats()
        network.stop()
        self.tasks = {task: self.api.wait_status(ROOM, task, openapi.ENDED) for task in (TASK, MIX)}
        self.paths = {task: self._report(task) for task in (TASK, MIX)}
        self.reports = {task: json.loads(path.read_text()) for task, path in self.paths.items()}
        assert self.api.report(ROOM, TASK) == self.reports[TASK]
        self.server.check()

    def _kill(self):
        """`kill -9` of both recorders: each task has its own."""
        known = set(self.server.recorders())
        assert len(known) == 2
        self._now("killed")
        for pid in known:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(set(self.server.recorders()) - known) == 2, "other recorders", deadline_s=3)

    def _report(self, task):
        """The file that GetRecordTask names once it is there."""

        def there():
            answer = self.api.call("GetRecordTask", self.api.ids(ROOM, task))
            return answer.get("Tapedeck", {}).get("Report")

        return self.server.data / "library" / eventually(there, "the report")

    def _now(self, name):
        self.moments[name] = time.time() * 1000

    def _pass(self, seconds):
        Event().wait(seconds)

    def lane(self, user, media, task=TASK):
        (stream,) = [s for s in self.reports[task]["Streams"] if s["UserId"] == user]
        return stream[media]

    def gaps(self, user, media, *causes, task=TASK):
        """Gaps of these causes, those that follow each other as one: (start, end, causes)."""
        joined = []
        for gap in self.lane(user, media, task)["Gaps"]:
            end = gap["Start"] + gap["LengthMs"]
            if joined and joined[-1][1] == gap["Start"]:
                joined[-1] = (joined[-1][0], end, joined[-1][2] | {gap["Cause"]})
            else:
                joined.append((gap["Start"], end, {gap["Cause"]}))
        return [gap for gap in joined if gap[2] & set(causes)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return Told(tmp_path_factory.mktemp("report"), None)


def lanes(report):
    streams = report["Streams"] + ([report["Mix"]] if report["Mix"] else [])
    return [stream[media] for stream in streams for media in ("Picture", "Sound") if stream[media]]


def test_every_moment_is_written_or_explained(told):
    for report in (*told.reports.values(), told.so_far):
        found = lanes(report)
        assert len(found) >= 6
        for lane in found:
            assert lane["ExpectedMs"] == lane["End"] - lane["Start"]
            assert lane["WrittenMs"] + sum(lane["GapMs"].values()) == lane["ExpectedMs"]
            listed = sum(gap["LengthMs"] for gap in lane["Gaps"])
            assert listed + sum(g["LengthMs"] for g in lane["FurtherGaps"].values()) == sum(lane["GapMs"].values())
            assert not lane["GapMs"].get("not_received", 0) > EDGE_MS, lane["Gaps"]
    assert told.reports[TASK]["Complete"] and not told.so_far["Complete"]
    assert abs(told.reports[TASK]["End"] - told.moments["stopped"]) < EDGE_MS


def test_a_planned_mute_is_a_gap_of_its_length(told):
    for task in (TASK, MIX):
        (gap,) = told.gaps("planned", "Sound", "muted", task=task)
        assert abs(gap[1] - gap[0] - 4000) < EDGE_MS, (task, gap)
    assert abs(gap[0] - told.moments["published"] - 4000) < 2000, gap
    assert not told.gaps("planned", "Picture", "muted", "not_published")


@pytest.mark.parametrize("media", ["Picture", "Sound"])
def test_who_leaves_and_comes_back_was_not_published_meanwhile(told, media):
    # Its sound is published a moment after its picture, which is a short gap before this one.
    (gap,) = [gap for gap in told.gaps("leaver", media, "not_published") if gap[1] - gap[0] > RETURN_MS]
    assert abs(gap[0] - told.moments["left"]) < EDGE_MS, gap
    assert abs(gap[1] - told.moments["back"]) < RETURN_MS, gap


@pytest.mark.parametrize("media", ["Picture", "Sound"])
@pytest.mark.parametrize("user", ["planned", "leaver", "far"])
def test_a_killed_recorder_is_a_gap_of_everybody(told, user, media):
    killed = told.moments["killed"]
    # Of a member of a mix nothing but the last facts tell, which are written every two seconds.
    for task, lost_ms in ((TASK, LOST_MS), (MIX, LOST_MS + 2000)):
        (gap,) = told.gaps(user, media, "recorder_restarted", task=task)
        assert -200 <= killed - gap[0] <= lost_ms and gap[1] - killed < BACK_MS, (task, gap, killed)
        assert len(told.reports[task]["Recorders"]) == 2


def test_lost_packets_are_counted(told):
    counts = [told.lane("far", media)["Counts"] for media in ("Picture", "Sound")]
    missed = sum(c["PacketsLost"] + c["PacketsRecovered"] for c in counts)
    received = sum(c["PacketsReceived"] for c in counts)
    dropped = told.relayed["up"]["lost"]
    assert 0.3 * dropped < missed < 1.5 * dropped, (counts, told.relayed)
    assert received > 500
    for user in ("planned", "leaver"):
        assert told.lane(user, "Sound")["Counts"]["PacketsLost"] <= 5, user


def test_files_are_listed_with_their_hashes(told):
    for task, report in told.reports.items():
        listed = {file["Vid"]: file for file in report["Files"]}
        assert set(listed) == {file["Vid"] for file in told.tasks[task]["RecordFileList"]}
        for vid, file in listed.items():
            path = told.server.data / "library" / file["Path"]
            assert file["Path"].endswith(f"_{vid[-8:]}.mp4")
            assert hashlib.sha256(path.read_bytes()).hexdigest() == file["Sha256"]


def test_sync_and_formats_are_measured(told):
    (stream,) = [s for s in told.reports[TASK]["Streams"] if s["UserId"] == "planned"]
    assert abs(stream["Sync"]["WrittenOffsetMs"]) < 40, stream["Sync"]
    (first, *_) = stream["Picture"]["Formats"]
    assert (first["Codec"], first["Width"], first["Height"]) == ("h264", 320, 180)
    assert [sent["Mime"].lower() for sent in stream["Sound"]["Sent"]] == ["audio/opus"]


def test_it_can_be_read(told):
    text = run([BINARY, "inspect", told.paths[TASK]])
    assert "planned" in text and "muted" in text
    (file, *_) = told.reports[TASK]["Files"]
    text = run([BINARY, "inspect", told.server.data / "library" / file["Path"]])
    assert "320x180" in text


def test_other_media_files_can_be_read(tmp_path):
    path = tmp_path / "film.mp4"
    sources = ("-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=3", "-f", "lavfi", "-i", "sine=duration=2")
    run(["ffmpeg", "-v", "error", *sources, "-c:v", "mpeg4", "-g", "25", "-c:a", "aac", path])
    text = run([BINARY, "inspect", path])
    assert "no recording of ours" in text and "mpeg4, 0:03.000, 75 samples, 3 key frames" in text, text
    assert "320x180" in text and "aac, 0:02." in text, text
