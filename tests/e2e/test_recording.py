"""The main job: a room, its users, one exact and playable file each."""

import time
from threading import Event

import pytest

import openapi
import players
from probe import (
    SYNC_BAD_NETWORK_MS,
    WALL_MS,
    assert_in_sync,
    assert_on_the_wall_clock,
    assert_whole,
    frame_ms,
    probe,
    share_there,
    total,
    track_durations_ms,
)
from process import eventually
from publishers import SdkPublisher, Synthetic
from relay import BadNetwork
from server import Rooms, Server

TASK = "main"
SIZE = {"width": 1280, "height": 720, "fps": 30}
# Media time that passes while recording.
LENGTH_S = 30
# Synthetic users send a key frame each second, and a LiveKit server may let the first one pass.
KEY_FRAME_MS = 2500


def record(api, room, seconds, task=TASK):
    """Records a room for some seconds. Returns the task, when it was stopped (s since the epoch), and how long it took
    from there to the end."""
    api.start(room, task)
    api.wait_status(room, task, openapi.RUNNING)
    Event().wait(seconds)
    stopped = time.time()
    api.stop(room, task)
    ended = api.wait_status(room, task, openapi.ENDED)
    return ended, stopped, time.time() - stopped


def only_files(server, task):
    return {user: only for (user, _), (only,) in server.files(task).items()}


def assert_length(path, file, report, stopped):
    """The file lasts from its first media to the stop, and both tracks last as long as the file."""
    end_ms = file["StartTime"] + file["Duration"]
    assert abs(end_ms - stopped * 1000) < WALL_MS + frame_ms(report), (file, stopped)
    assert abs(report["duration_ms"] - file["Duration"]) < 25
    tracks = track_durations_ms(path)
    assert max(tracks) - min(tracks) < frame_ms(report), tracks


def test_two_users_without_loss(venue, player, tmp_path):
    room = "two"
    with Synthetic(venue.rooms, room, tmp_path, users=["alice", "bob"], **SIZE):
        task, stopped, took = record(venue.api, room, LENGTH_S)
    assert took < 5
    files = only_files(venue.server, task)
    assert sorted(files) == ["alice", "bob"]
    for path, file in files.values():
        report = probe(path)
        assert_whole(report)
        assert_in_sync(report, pairs=LENGTH_S - 3)
        assert_length(path, file, report, stopped)
        assert_on_the_wall_clock(report, file)
        assert not report["audio"]["silences"] and not report["audio"]["gaps"]
        # Sound from before the first key frame is kept, over black.
        assert report["video"]["first_ms"] < 1 and len(report["video"]["black"]) <= 1
        assert total(report["video"]["black"]) < KEY_FRAME_MS, report["video"]["black"]
        # To the stop: what was sent in the last moments is there, give or take what was on its way.
        assert report["video"]["end_ms"] > file["Duration"] - 3 * frame_ms(report)
        assert (file["VideoCodec"], file["AudioCodec"]) == ("h264", "aac")
        assert (file["VideoWidth"], file["VideoHeight"]) == (1280, 720)
        for look in (players.ffmpeg, players.gstreamer):
            look(path, file["Duration"] / 1000)
        players.chromium(player, path, file["Duration"] / 1000)


BAD = {"loss": 0.05, "jitter_ms": 60}
# A LiveKit server begins to forward a track with a key frame whose first packet was not overtaken by any other. Where
# most packets are, as above, that takes ten seconds and more.
BAD_FOR_LIVEKIT = {**BAD, "reorder": 0.01}
# Its sender reports come after 3 to 5 s. Until then pictures and sound are where they arrived, jitter included.
SYNC_LIVEKIT_MS = 60


@pytest.fixture
def bad_uplink(venue, tmp_path):
    """The venue's rooms, seen by publishers through a bad network."""
    rooms, server = venue.rooms, venue.server
    signal, media = (server.rooms_port, server.media_port) if rooms is server.rooms else (rooms.port, rooms.udp_port)
    network = BadNetwork(tmp_path, signal, media)
    yield network, Rooms(network.url, rooms.key, rooms.secret)
    network.stop()


def test_two_users_on_a_bad_network(venue, bad_uplink, tmp_path):
    network, rooms = bad_uplink
    embedded = venue.rooms is venue.server.rooms
    network.impair(**(BAD if embedded else BAD_FOR_LIVEKIT))
    room = "bad-uplink"
    with Synthetic(rooms, room, tmp_path, users=["alice", "bob"], **SIZE):
        task, stopped, _ = record(venue.api, room, LENGTH_S)
    stats = network.stats()["up"]
    assert stats["lost"] > 200 and stats["overtaken"] > 200, "the network was not bad"
    for path, file in only_files(venue.server, task).values():
        judge_bad(path, file, stopped, SYNC_BAD_NETWORK_MS if embedded else SYNC_LIVEKIT_MS)


def judge_bad(path, file, stopped, sync_ms=SYNC_BAD_NETWORK_MS):
    report = probe(path)
    video = report["video"]
    assert share_there(report) >= 0.995, (video["missing"], video["missing_at"])
    assert not any(video[flaw] for flaw in ("duplicated", "out_of_order", "unreadable", "damaged")), video
    assert_in_sync(report, sync_ms, pairs=LENGTH_S * 2 // 3)
    assert_length(path, file, report, stopped)
    players.ffmpeg(path, file["Duration"] / 1000)


@pytest.fixture(params=["embedded", "livekit"])
def bad_downlink(request, tmp_path_factory):
    """Rooms that publishers reach well, and a tapedeck that reaches them through a bad network."""
    if request.param == "embedded":
        inner = Server(tmp_path_factory.mktemp("inner"))
        rooms, signal, media = inner.rooms, inner.rooms_port, inner.media_port
    else:
        inner, rooms = None, request.getfixturevalue("livekit")
        signal, media = rooms.port, rooms.udp_port
    network = BadNetwork(tmp_path_factory.mktemp("network"), signal, media)
    outer = Server(tmp_path_factory.mktemp("outer"), Rooms(network.url, rooms.key, rooms.secret))
    yield network, rooms, outer
    for part in (outer, network, inner):
        if part:
            part.stop()
    outer.check()


def test_recorder_on_a_bad_network(bad_downlink, tmp_path):
    """The recorder's own way to the room server is bad."""
    network, rooms, outer = bad_downlink
    network.impair(**BAD)
    room = "bad-downlink"
    with Synthetic(rooms, room, tmp_path, users=["alice"], **SIZE):
        task, stopped, _ = record(outer.foreign_api, room, LENGTH_S)
    stats = network.stats()["down"]
    assert stats["lost"] > 100 and stats["overtaken"] > 100, "the network was not bad"
    ((path, file),) = only_files(outer, task).values()
    judge_bad(path, file, stopped)


def test_opus_is_kept_when_asked(venue, tmp_path):
    room = "opus"
    with Synthetic(venue.rooms, room, tmp_path, users=["alice"], width=320, height=180, fps=30):
        venue.api.start(room, TASK, Tapedeck={"AudioCodec": "opus"})
        venue.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(8)
        venue.api.stop(room, TASK)
        task = venue.api.wait_status(room, TASK, openapi.ENDED)
    ((path, file),) = only_files(venue.server, task).values()
    report = probe(path)
    assert file["AudioCodec"] == report["audio"]["codec"] == "opus"
    assert_whole(report)
    assert_in_sync(report)
    players.ffmpeg(path, file["Duration"] / 1000)


def test_sound_only(venue, tmp_path):
    room = "sound"
    with Synthetic(venue.rooms, room, tmp_path, users=["alice"], width=320, height=180, fps=30):
        venue.api.start(room, TASK, Control={"MediaType": 1})
        venue.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(5)
        venue.api.stop(room, TASK)
        task = venue.api.wait_status(room, TASK, openapi.ENDED)
    ((path, file),) = only_files(venue.server, task).values()
    report = probe(path)
    assert report["video"] is None and len(report["audio"]["beeps"]) >= 4
    assert total(report["audio"]["silences"]) == 0


def test_only_the_streams_that_were_asked_for(venue, tmp_path):
    room = "chosen"
    with Synthetic(venue.rooms, room, tmp_path, users=["alice", "bob", "carol"], width=320, height=180, fps=15):
        venue.api.start(room, "one", TargetStreams={"StreamList": [{"UserId": "bob"}]})
        venue.api.wait_status(room, "one", openapi.RUNNING)
        # The recorder is in the room already.
        venue.api.start(room, "others", ExcludeStreams={"StreamList": [{"UserId": "bob", "StreamType": 0}]})
        venue.api.wait_status(room, "others", openapi.RUNNING)
        Event().wait(4)
        for task in ("one", "others"):
            venue.api.stop(room, task)
        one, others = (venue.api.wait_status(room, task, openapi.ENDED) for task in ("one", "others"))
    assert sorted(only_files(venue.server, one)) == ["bob"]
    assert sorted(only_files(venue.server, others)) == ["alice", "carol"]


def test_an_empty_room_ends_by_itself(server):
    server.api.start("empty", TASK, Control={"MaxIdleTime": 10})
    task = server.api.wait_status("empty", TASK, openapi.ENDED, deadline_s=40)
    assert task["StopReason"] == "IdleTimeOut" and task["RecordFileList"] == []
    # A finished id may be started again.
    assert server.api.start("empty", TASK) == "ok"
    server.api.stop("empty", TASK)


def test_a_task_ends_after_its_longest_time_and_names_its_file(server, tmp_path):
    name = {"Prefix": ["ignored"], "Pattern": "lesson {RoomId}/{UserId}"}
    with Synthetic(server.rooms, "limited", tmp_path, users=["alice"], width=320, height=180):
        server.api.start("limited", "limited", Control={"MaxRecordTime": 5}, FileNameConfig=name)
        started = time.time() * 1000
        task = server.api.wait_status("limited", "limited", openapi.ENDED)
    assert task["StopReason"] == "MaxRecordTime"
    path, file = server.files(task)[("alice", 0)][0]
    assert path.stem == f"lesson~limited~alice_{file['Vid'][-8:]}"
    assert abs(file["StartTime"] + file["Duration"] - (started + 5000)) < 200
    probe(path)


def test_a_long_absence_ends_the_file_and_the_next_begins_on_return(server, tmp_path):
    alice = SdkPublisher(server.rooms, "absence", "alice", 1, tmp_path)

    def publish():
        alice.publish("microphone")
        alice.publish("camera", width=320, height=180, fps=15)

    try:
        server.api.start("absence", "absence", Control={"MaxSilenceSeconds": 60})
        publish()
        server.api.wait_status("absence", "absence", openapi.RUNNING)
        Event().wait(4)
        gone = time.time() * 1000
        alice.unpublish("camera")
        alice.unpublish("microphone")
        # The file is complete while the task goes on.
        task = eventually(
            lambda: (task := server.api.get("absence", "absence"))["RecordFileList"] and task, "the first file", 100
        )
        assert task["Status"] == openapi.RUNNING and time.time() * 1000 - gone > 60_000
        back = time.time() * 1000
        publish()
        Event().wait(4)
        server.api.stop("absence", "absence")
        task = server.api.wait_status("absence", "absence", openapi.ENDED)
    finally:
        alice.stop()
    (first, one), (second, two) = server.files(task)[("alice", 0)]
    assert one["StartTime"] + one["Duration"] - gone < 500 and two["StartTime"] - back < 2000
    for path, file in ((first, one), (second, two)):
        report = probe(path)
        assert report["video"]["missing"] == 0 and not report["video"]["black"][1:], report["video"]
        assert_on_the_wall_clock(report, file, 60)
