"""What a mix costs: it receives no more than it shows, is refused where there is no room for it, and tells what it leaves out
where it cannot keep up."""

import re
from threading import Event

import openapi
import pytest
from mixed import look, only_file
from openapi import ApiError
from process import Slowed, eventually
from publishers import Synthetic
from server import Server


def region(index, x, width):
    return {"StreamIndex": index, "LocationX": x, "LocationY": 0, "Width": width, "Height": width * 9 // 16}


def layout(*regions):
    return {"LayoutMode": 2, "CustomLayout": {"Canvas": {"Width": 960, "Height": 360}, "Regions": list(regions)}}


def test_of_each_stream_the_smallest_layer_that_fills_its_window_is_received(venue, tmp_path):
    """Both send 1280x720, 640x360 and 320x180. Whose window is 640 wide changes while it is recorded."""
    size = {"width": 1280, "height": 720, "fps": 15, "simulcast": True}
    streams = {"StreamList": [{"UserId": "alice", "Index": 1}, {"UserId": "bob", "Index": 2}]}
    with Synthetic(venue.rooms, "layers", tmp_path, users=["alice", "bob"], **size):
        first = layout(region(1, 0, 640), region(2, 640, 320))
        venue.api.start("layers", "layers", RecordMode=0, TargetStreams=streams, Layout=first)
        venue.api.wait_status("layers", "layers", openapi.RUNNING)
        Event().wait(4)
        swapped = layout(region(2, 0, 640), region(1, 640, 320))
        venue.api.call("UpdateRecord", {**venue.api.ids("layers", "layers"), "Layout": swapped})
        Event().wait(5)
        seen = len(venue.server.process.lines)
        venue.api.stop("layers", "layers")
        venue.api.wait_status("layers", "layers", openapi.ENDED)
    log = [line for line in venue.server.process.lines[seen:] if "pictures of the mix" in line]
    sizes = dict(re.search(r'user: "(\w+)".*size: (\(\d+, \d+\))', line).groups() for line in log)
    assert sizes == {"alice": "(320, 180)", "bob": "(640, 360)"}, log


def test_a_mix_that_does_not_fit_is_refused_and_others_go_on(tmp_path):
    server = Server(tmp_path, config="\n[recorder]\nmax_cpu = 15\n")
    try:
        small = {"RecordMode": 0, "Encode": {"VideoWidth": 320, "VideoHeight": 180, "VideoFps": 10}}
        server.api.start("full", "small", **small)
        server.api.wait_status("full", "small", openapi.RUNNING)
        large = {"RecordMode": 0, "Encode": {"VideoWidth": 1920, "VideoHeight": 1080, "VideoFps": 60}}
        with pytest.raises(ApiError, match="FlowLimitExceeded.TaskNumberOverLimit.*processors are taken"):
            server.api.start("full", "large", **large)
        # What runs is not asked about again, and a small one still fits.
        server.api.start("full", "small", **small)
        server.api.start("full", "single", RecordMode=1)
        server.api.wait_status("full", "single", openapi.RUNNING)
        for task in ("small", "single"):
            server.api.stop("full", task)
            server.api.wait_status("full", task, openapi.ENDED)
    finally:
        server.stop()
    server.check()


FPS = 25
FRAME_MS = 1000 // FPS


def test_every_frame_that_an_overloaded_mix_does_not_make_is_in_its_report(server, tmp_path):
    encode = {"VideoWidth": 1280, "VideoHeight": 720, "VideoFps": FPS}
    users = ["alice", "bob", "carol", "dave"]
    with Synthetic(server.rooms, "slow", tmp_path, users=users, width=640, height=360, fps=FPS):
        server.api.start("slow", "slow", RecordMode=0, Encode=encode)
        server.api.wait_status("slow", "slow", openapi.RUNNING)
        (recorder,) = server.recorders()
        Event().wait(2)
        with Slowed(recorder):
            notes = lambda: server.api.call("GetRecordTask", server.api.ids("slow", "slow")).get("Tapedeck", {}).get("Notes", [])
            eventually(lambda: any("encoding fell behind" in note for note in notes()), "it falls behind")
            Event().wait(3)
        Event().wait(2)
        server.api.stop("slow", "slow")
        task = server.api.wait_status("slow", "slow", openapi.ENDED)
    path, file = only_file(server, task)
    told = eventually(lambda: (r := server.api.report("slow", "slow"))["Complete"] and r, "the report")["Mix"]["Picture"]
    assert told["WrittenMs"] + sum(told["GapMs"].values()) == told["ExpectedMs"], told["GapMs"]
    # By what is in the file: two pictures that are further apart than a frame.
    shown = [file["StartTime"] + picture["ms"] for picture in look(path, 0, 0)["video"]["list"]]
    left_out = [(a + FRAME_MS, b - a - FRAME_MS) for a, b in zip(shown, shown[1:]) if b - a > 1.5 * FRAME_MS]
    gaps = [(gap["Start"], gap["LengthMs"]) for gap in told["Gaps"] if gap["Cause"] == "overload"]
    assert len(left_out) > 10 and len(gaps) - len(left_out) in (0, 1), (gaps, left_out)
    for gap, hole in zip(gaps, left_out):
        assert abs(gap[0] - hole[0]) <= 2 and abs(gap[1] - hole[1]) <= 2, (gap, hole)
    frames = sum(round(length / FRAME_MS) for _, length in left_out)
    assert 0 <= told["Counts"]["FramesDropped"] - frames <= 3, (told["Counts"], frames)
