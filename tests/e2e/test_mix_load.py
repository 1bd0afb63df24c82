"""What a mix costs: it receives no more than it shows, and is refused where there is no room for it."""

import re
from threading import Event

import openapi
import pytest
from openapi import ApiError
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
