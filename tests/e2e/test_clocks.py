"""A sender whose RTP clocks jump by hours, forward and back, and roll over at 32 bits: sequence numbers go on, nothing is
missing, and sound and picture stay together."""

from threading import Event

import openapi
import players
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, probe, silences
from publishers import OddClock

ROOM, TASK = "clocks", "clocks"
FPS = 25
HOUR = 3600
# Kind, seconds from the start, by how many seconds the clock is moved.
JUMPS = [("video", 4, 3 * HOUR), ("audio", 6, 5 * HOUR), ("video", 8, -2 * HOUR), ("audio", 10, -HOUR),
         ("video", 12, -6), ("audio", 12, 6)]
ROLL_OVER_S, LAST_S = 15, 18
# Until a sender report ties it to the other track again, a clock that jumped is placed by when packets arrive.
SYNC_MS = 40


def test_clocks_that_jump_and_roll_over(venue, player, tmp_path):
    # A LiveKit server (1.11) passes nothing on any more once a clock went back.
    goes_back = venue.rooms is venue.server.rooms
    jumps = [word for kind, at, by in JUMPS if by > 0 or goes_back for word in ("--jump", f"{kind}:{at}:{by}")]
    with OddClock(venue.rooms, ROOM, "anna", tmp_path, "--fps", FPS, "--roll-over", ROLL_OVER_S, *jumps):
        venue.api.start(ROOM, TASK)
        venue.api.wait_status(ROOM, TASK, openapi.RUNNING)
        Event().wait(LAST_S)
        venue.api.stop(ROOM, TASK)
        task = venue.api.wait_status(ROOM, TASK, openapi.ENDED)
    ((path, file),) = venue.server.files(task)[("anna", 0)]
    assert file["Duration"] > (LAST_S - 1) * 1000
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report, SYNC_MS, pairs=LAST_S - 3)
    assert_on_the_wall_clock(report, file, SYNC_MS)
    # But at both ends, which are of different moments.
    within = [(begin, end) for begin, end in silences(file, report) if end < file["StartTime"] + file["Duration"] - 200]
    assert all(begin < file["StartTime"] + 1000 for begin, _ in within), within
    players.ffmpeg(path, file["Duration"] / 1000)
    players.chromium(player, path, file["Duration"] / 1000)
