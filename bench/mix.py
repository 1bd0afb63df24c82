"""What it costs to mix a room, beside decoding and encoding alone, `ffmpeg` with xstack, and GStreamer's compositor.

Everybody gets the same coded pictures of 640x360 at 25 fps and uses the same x264 with the same settings; counted is
processor time, user and system, per second of the recording. The programs take turns, and the least of its turns counts
of each: whatever else the machine does only adds to a time. The floor encodes the very picture that the mix encodes: the
coded pictures of both have the same number of bytes, which is checked.

Then real rooms: what a recorder process costs and holds in memory, and how many rooms of four users fit into one core.

Usage: ./do bench mix [--inputs 4,9,16] [--seconds 20] [--rounds 5] [--no-rooms] [--limit]
"""

import argparse
import pathlib
import tempfile

from mixing import clips, contenders, rooms
from single import Bench

HD, FULL_HD = (1280, 720), (1920, 1080)


def cases(counts, seconds):
    """`counts`: numbers of users who all move."""
    moving = [(clips.moving(n, seconds), "clip") for n in range(max([*counts, 9]))]
    yield from (contenders.Case(f"{n} moving, 720p25", moving[:n], HD, 25, 2000, seconds) for n in counts)
    yield contenders.Case("9 moving, 1080p30", moving[:9], FULL_HD, 30, 4000, seconds)
    screens = [(clips.still(n, seconds), "first_picture") for n in range(3, 7)]
    cameras_off = [(clips.black(seconds), "nothing")] * 2
    yield contenders.Case("3 moving, 4 still, 2 off, 720p25", moving[:3] + screens + cameras_off, HD, 25, 2000, seconds)


def measure(case, folder, rounds):
    """The least processor seconds per second, by contender."""
    still = any(shows != "clip" for _, shows in case.clips)

    def mixed():
        cost, size = contenders.ours(case, folder)
        sizes.add(size)
        return cost

    def floor(**options):
        cost = contenders.example(case, "floor", folder, **options)
        if not options.get("repeated"):
            sizes.add(cost["bytes"])
        return cost["cpu"]

    sizes = set()
    turns = {
        "floor": lambda: floor(repeated=still),
        "tapedeck": mixed,
        "floor of what came": floor if still else None,
        "floor with sound": lambda: floor(sound=True, repeated=still),
        "tapedeck with sound": lambda: contenders.ours(case, folder, sound=True)[0],
        "ffmpeg, 1 thread": lambda: contenders.ffmpeg_xstack(case, folder, 1),
        "ffmpeg": lambda: contenders.ffmpeg_xstack(case, folder, 0),
        "GStreamer": lambda: contenders.gstreamer_compositor(case, folder),
    }
    turns = {name: turn for name, turn in turns.items() if turn}
    costs = {name: [] for name in turns}
    for number in range(rounds):
        # There and back: what gets slower or faster meanwhile hits everybody.
        for name in list(turns)[:: 1 if number % 2 == 0 else -1]:
            costs[name].append(turns[name]() / case.seconds)
    assert len(sizes) == 1, f"mix and floor did not encode the same pictures: {sizes} bytes"
    return {name: min(each) for name, each in costs.items()}


def mixes(counts, seconds, rounds):
    print("| | floor, CPU s/s | tapedeck | ffmpeg, 1 thread | ffmpeg | GStreamer | with sound: floor | tapedeck |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(counts, seconds):
            print(row(case, measure(case, pathlib.Path(folder), rounds)), flush=True)


def row(case, costs):
    """A line of the table."""

    def ratio(name, to="floor"):
        return f"{costs[name] / costs[to]:.3f}"

    cells = [f"{costs['floor']:.4f}", *map(ratio, ("tapedeck", "ffmpeg, 1 thread", "ffmpeg", "GStreamer"))]
    cells += [f"{costs['floor with sound']:.4f}", ratio("tapedeck with sound", "floor with sound")]
    if "floor of what came" in costs:
        cells[1] += f" ({ratio('tapedeck', 'floor of what came')} of what came)"
    return f"| {case.name} | {' | '.join(cells)} |"


def real_rooms(seconds, limit):
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        cost, memory, faults = rooms.record(bench, 1, 9, seconds)
        print(f"\n9 users, one recorder: {cost:.3f} of a core, {memory:.0f} MB at most, {faults or 'every frame'}", flush=True)
        cost, memory, faults = rooms.record(bench, 1, 4, seconds)
        print(f"4 users, one recorder: {cost:.3f} of a core ({1 / cost:.1f} rooms), {memory:.0f} MB at most, {faults or 'every frame'}", flush=True)
        if limit:
            most, why = rooms.most_in_a_core(bench, 4, seconds, int(1 / cost))
            print(f"{most} rooms of 4 users within one core; one more: {why}")
        bench.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--inputs", default="4,9,16", help="numbers of users")
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--no-rooms", action="store_true", help="leave out the real rooms")
    options.add_argument("--limit", action="store_true", help="also find out how many rooms one core mixes (takes root)")
    options = options.parse_args()
    mixes([int(count) for count in options.inputs.split(",") if count], options.seconds, options.rounds)
    if not options.no_rooms:
        real_rooms(options.seconds, options.limit)


if __name__ == "__main__":
    main()
