"""Pictures that change their size or are turned while a single stream is recorded: the file has one size, and everything
is in it; unless `KeepSource` asks for what was sent."""

import json
from pathlib import Path
from threading import Event

import openapi
import players
import pytest
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, frame_ms, probe
from process import eventually, run
from publishers import Synthetic, WebPublisher

TASK = "sizes"
FPS = 15
LARGE, SMALL, TALL = (640, 360), (320, 180), (360, 480)


def looks(*sizes):
    """Options of a publisher that sends these, after the large one, for two seconds each."""
    changes = [word for size in sizes for word in ("--change", size)]
    first, *rest = changes[1:]
    return {"size": "640x360", "fps": FPS, "change_every": "2s", "change": first}, rest


def record_task(venue, room, directory, seconds, more, options, **fields):
    """Records one publisher; the task."""
    with Synthetic(venue.rooms, room, directory, ["anna"], *more, **options):
        venue.api.start(room, TASK, **fields)
        venue.api.wait_status(room, TASK, openapi.RUNNING)
        # A LiveKit server may let the first key frame pass, and there is one each second.
        Event().wait(seconds)
        venue.api.stop(room, TASK)
        return venue.api.wait_status(room, TASK, openapi.ENDED)


def record(venue, room, directory, seconds, more, options, **fields):
    """The same; the only file's path, and what the API says of it."""
    task = record_task(venue, room, directory, seconds, more, options, **fields)
    ((path, file),) = venue.server.files(task)[("anna", 0)]
    return path, file


def stream(path):
    """What ffprobe says of the picture, the turn of the track with it."""
    found = json.loads(run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_streams", "-of", "json", path]))
    (video,) = found["streams"]
    turns = [side["rotation"] for side in video.get("side_data_list", ()) if "rotation" in side]
    return (video["width"], video["height"]), turns


def frame_sizes(path):
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=width,height", "-of", "csv=p=0", path]
    return {tuple(int(side) for side in line.split(",")[:2]) for line in run(command).split()}


def assert_plays(player, path, file):
    seconds = file["Duration"] / 1000
    players.ffmpeg(path, seconds)
    players.gstreamer(path, seconds)
    return players.chromium(player, path, seconds)


def test_every_size_becomes_the_largest(venue, player, tmp_path):
    options, more = looks("320x180", "360x480")
    path, file = record(venue, "grows", tmp_path, 13, more, options)
    canvas = (640, 480)
    assert (file["VideoWidth"], file["VideoHeight"]) == canvas
    assert frame_sizes(path) == {canvas}
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    assert_on_the_wall_clock(report, file, 60)
    assert report["video"]["end_ms"] > file["Duration"] - 3 * frame_ms(report)
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == canvas


def test_the_source_can_be_kept(server, tmp_path):
    options, more = looks("320x180")
    path, file = record(Embedded(server), "kept", tmp_path, 9, more, options, Tapedeck={"KeepSource": True})
    assert frame_sizes(path) == {LARGE, SMALL}
    assert_whole(probe(path))


@pytest.mark.parametrize("keep", [False, True])
def test_other_formats(server, tmp_path, keep):
    """FLV has one size as the MP4 does; HLS, whose segments were published, says where it changes."""
    options, more = looks("320x180")
    formats = ["MP4", "HLS", "FLV"]
    fields = {"FileFormatConfig": {"FileFormat": formats}, "Tapedeck": {"KeepSource": keep}}
    task = record_task(Embedded(server), f"formats-{keep}", tmp_path, 13, more, options, **fields)
    found = server.files_by_format(task, formats)
    several = {LARGE, SMALL}
    for name, (path, file) in found.items():
        assert frame_sizes(path) == (several if keep or name == "HLS" else {LARGE}), name
        assert (file["VideoWidth"], file["VideoHeight"]) == LARGE, (name, file)
        report = probe(path)
        assert_whole(report)
        assert_in_sync(report)
    assert found["HLS"][0].read_text().count("#EXT-X-DISCONTINUITY\n") >= 4
    players.hls(found["HLS"][0])
    path, file = found["FLV"]
    assert file["Size"] == path.stat().st_size
    players.ffmpeg(path, file["Duration"] / 1000)


# A LiveKit server (1.11) does not carry the video-orientation extension: senders turn their pictures themselves, which is a
# change of size.
def test_a_phone_held_upright_is_turned_by_the_player(server, player, tmp_path):
    options = {"size": "640x360", "fps": FPS, "rotation": "90"}
    path, file = record(Embedded(server), "upright", tmp_path, 6, (), options)
    assert (file["VideoWidth"], file["VideoHeight"]) == LARGE[::-1]
    # FFmpeg counts the other way round.
    assert stream(path) == (LARGE, [-90])
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == LARGE[::-1]


def test_a_phone_that_is_turned_over_and_over(server, player, tmp_path):
    options, more = looks("640x360/90")
    options["rotation"] = "0"
    path, file = record(Embedded(server), "turns", tmp_path, 11, more, options)
    canvas = (640, 640)
    assert (file["VideoWidth"], file["VideoHeight"]) == canvas
    assert (stream(path), frame_sizes(path)) == ((canvas, []), {canvas})
    video = probe(path)["video"]
    # What is drawn is not turned, so that every other two seconds cannot be read; all pictures are there, though.
    pictures = run(["ffprobe", "-v", "error", "-select_streams", "v", "-count_packets", "-show_entries",
                    "stream=nb_read_packets", "-of", "csv=p=0", path])
    assert abs(int(pictures.strip().strip(",")) - file["Duration"] / 1000 * FPS) < FPS
    assert not video["damaged"] and video["readable"] > 3 * FPS
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == canvas


def test_a_recorder_killed_while_it_makes_sizes_uniform(server, tmp_path):
    room = "killed-sizes"
    options, more = looks("1280x720", "960x540")
    with Synthetic(server.rooms, room, tmp_path, ["anna"], *more, **options | {"fps": 30}):
        server.api.start(room, TASK)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(16)
        server.api.stop(room, TASK)
        eventually(lambda: encoding(server), "a file is being made uniform")
        Event().wait(0.3)
        server.kill_recorder()
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    ((path, file),) = server.files(task)[("anna", 0)]
    assert frame_sizes(path) == {(1280, 720)}
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    players.ffmpeg(path, file["Duration"] / 1000)
    server.check()


def test_a_browser_short_of_bandwidth(server, player, tmp_path):
    """Chromium makes its pictures smaller by itself."""
    room = "narrow"
    anna = WebPublisher(server.rooms, room, "anna", 1, tmp_path)
    try:
        anna.publish("camera", width=1280, height=720, fps=15, codec="h264", simulcast=False)
        anna.publish("microphone")
        server.api.start(room, TASK)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(12)
        server.api.stop(room, TASK)
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    finally:
        anna.stop()
    ((path, file),) = server.files(task)[("anna", 0)]
    assert frame_sizes(path) == {(file["VideoWidth"], file["VideoHeight"])}
    players.ffmpeg(path, file["Duration"] / 1000)
    players.chromium(player, path, file["Duration"] / 1000)


def encoding(server):
    """Whether a recorder has its thread for that."""
    names = (comm.read_text().strip() for pid in server.recorders() for comm in Path(f"/proc/{pid}/task").glob("*/comm"))
    return "uniform" in names


class Embedded:
    """A venue without another room server."""

    def __init__(self, server):
        self.server, self.api, self.rooms = server, server.api, server.rooms
