"""From the stop to a file that is ready: how long finishing takes without a change of size, and how long it takes to make
files of one size when some of the time came at another one.

The files (1280x720 at 25 pictures/s, about 2 Mbit/s, AAC) are written as a recorder writes them, but as fast as the disk
takes them, then finished and made uniform by the recorder's own code, on one thread. Wall-clock times; every file is
checked afterwards.

Usage: ./do bench finish [--minutes 10,60,240] [--small 0,3] [--dir DIRECTORY]
"""

import argparse
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "target/release/examples/finish"


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=numbers, default=[10, 60, 240], help="lengths of the recordings")
    parser.add_argument("--small", type=numbers, default=[0, 3], help="seconds of every minute that came at 640x360")
    parser.add_argument("--dir", help="where the files are written, 4 GB for four hours")
    args = parser.parse_args()
    for small in args.small:
        for minutes in args.minutes:
            with tempfile.TemporaryDirectory(dir=args.dir) as folder:
                subprocess.run([EXAMPLE, folder, str(minutes), str(small)], check=True)


if __name__ == "__main__":
    main()
