"""The same mix by several programs with the same encoder settings: x264 veryfast, zerolatency, no B-frames, high profile,
a constant rate kept over two seconds, a key frame every four seconds. Each gives its processor seconds, user and system."""

import json
import math
import os
import subprocess

from mixing.clips import ROOT

EXAMPLE = ROOT / "target/release/examples/mix"
GOP_S = 4


class Case:
    """`clips`: for each user the clip, and what of it a recorder gets: `clip`, `first_picture` or `nothing`."""

    def __init__(self, name, clips, size, fps, kbits, seconds):
        self.name, self.clips, self.size, self.fps, self.kbits, self.seconds = name, clips, size, fps, kbits, seconds

    def grid(self):
        """x, y, width, height of each user's place."""
        side = math.ceil(math.sqrt(len(self.clips)))
        across, down = ([2 * round(n * length / side / 2) for n in range(side + 1)] for length in self.size)
        rows, columns = range(side), range(side)
        return [(across[c], down[r], across[c + 1] - across[c], down[r + 1] - down[r]) for r in rows for c in columns]


def example(case, what, folder, sound=False, repeated=False):
    """Runs our example; `repeated`: with pictures that do not change, and cameras that are off, as 25 frames a second."""
    users = [{"clip": str(clip.stream), "shows": "clip" if repeated else shows} for clip, shows in case.clips]
    (width, height), bitrate = case.size, case.kbits * 1000
    job = {"what": what, "inputs": users, "width": width, "height": height, "fps": case.fps, "bitrate": bitrate,
           "gop_s": GOP_S, "seconds": case.seconds, "sound": sound, "folder": str(folder)}
    done = subprocess.run([EXAMPLE], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def ours(case, folder, sound=False):
    """The recorder's mix; checks that it has every frame, and gives the bytes of its pictures as well."""
    cost = example(case, "mix", folder, sound)
    sizes = picture_sizes(cost["file"])
    assert len(sizes) == case.seconds * case.fps, f"{len(sizes)} frames in {case.seconds} s"
    os.unlink(cost["file"])
    return cost["cpu"], sum(sizes)


def ffmpeg_xstack(case, folder, threads):
    """`threads`: 1, or 0 for the defaults."""
    one = ["-threads", 1] if threads else []
    inputs = [word for clip, _ in case.clips for word in (*one, "-i", clip.mp4)]
    grid = case.grid()
    scaled = [f"[{n}:v]scale={w}:{h}:flags=bilinear[s{n}]" for n, (_, _, w, h) in enumerate(grid)]
    layout = "|".join(f"{x}_{y}" for x, y, _, _ in grid)
    stacked = "".join(f"[s{n}]" for n in range(len(grid))) + f"xstack=inputs={len(grid)}:layout={layout},fps={case.fps}[out]"
    rate, gop = f"{case.kbits}k", GOP_S * case.fps
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "high", "-bf", 0,
              "-x264-params", "sliced-threads=0", "-sc_threshold", 0, "-g", gop, "-keyint_min", gop,
              "-b:v", rate, "-maxrate", rate, "-bufsize", f"{2 * case.kbits}k", *one]
    filters = ["-filter_complex_threads", 1] if threads else []
    graph = [*filters, "-filter_complex", ";".join([*scaled, stacked]), "-map", "[out]"]
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", *inputs, *graph, *coding, folder / "ffmpeg.mp4"]
    return whole(argv, folder / "ffmpeg.mp4", case)


def gstreamer_compositor(case, folder):
    out, gop = folder / "gstreamer.mp4", GOP_S * case.fps
    places = [f"sink_{n}::xpos={x} sink_{n}::ypos={y} sink_{n}::width={w} sink_{n}::height={h}"
              for n, (x, y, w, h) in enumerate(case.grid())]
    width, height = case.size
    mixed = f"video/x-raw,format=I420,width={width},height={height},framerate={case.fps}/1"
    coding = (f"x264enc speed-preset=veryfast tune=zerolatency threads=1 bframes=0 bitrate={case.kbits} vbv-buf-capacity=2000 "
              f"key-int-max={gop} option-string=scenecut=0:sliced-threads=0:keyint-min={gop} ! video/x-h264,profile=high")
    sources = [f"filesrc location={clip.mp4} ! qtdemux ! h264parse ! avdec_h264 max-threads=1 ! c.sink_{n}"
               for n, (clip, _) in enumerate(case.clips)]
    text = (f"compositor name=c background=black max-threads=1 {' '.join(places)} ! {mixed} ! {coding} ! mp4mux "
            f"! filesink location={out} {' '.join(sources)}")
    return whole(["gst-launch-1.0", "-q", *text.split()], out, case)


def whole(argv, out, case):
    """Processor seconds of a program from its start to its end, which made a file of the right length."""
    process = subprocess.Popen([str(word) for word in argv], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{argv[0]} ended with {status}"
    frames = len(picture_sizes(out))
    assert abs(frames - case.seconds * case.fps) <= 2, f"{argv[0]}: {frames} frames in {case.seconds} s"
    os.unlink(out)
    return usage.ru_utime + usage.ru_stime


def picture_sizes(path):
    """Bytes of each coded picture."""
    argv = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=size", "-of", "csv=p=0", path]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    return [int(line.strip(",")) for line in done.stdout.split()]
