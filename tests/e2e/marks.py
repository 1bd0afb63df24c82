"""The marks of crates/synth for the Python SDK and pages: schedule.rs, code.rs and draw.rs say what they mean."""

import numpy as np

DAY_SECONDS = 86_400
# After so long the numbers of `tapedeck publish` begin anew.
LOOP_SECONDS = 20
FLASH_FRAMES = 2
RATE = 48_000
BEEP = 2_880
BEEP_LEVEL, HUM_LEVEL = 0.25, 0.02
WHITE, BLACK, DARK = 235, 16, 24


def check_sum(number, user):
    """CRC-16/CCITT over number and user."""
    value = 0xFFFF
    for byte in number.to_bytes(4, "big") + user.to_bytes(2, "big"):
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def cells(number, user):
    """The 17 x 5 cells as luma."""
    bits = f"{number:032b}{user:016b}{check_sum(number, user):016b}"
    white = np.zeros((5, 17), bool)
    white[0, ::2] = white[::2, 0] = True
    white[1:, 1:] = np.array(list(bits)).reshape(4, 16) == "1"
    return np.where(white, WHITE, BLACK).astype(np.uint8)


def read(cells):
    """Number and user that 17 x 5 cells of luma say, row by row; None when they say nothing."""
    bits = (np.array(cells).reshape(5, 17)[1:, 1:] > (WHITE + BLACK) // 2).flatten()
    number, user, check = (int("".join("01"[int(bit)] for bit in part), 2) for part in np.split(bits, [32, 48]))
    return (number, user) if check == check_sum(number, user) else None


class Painter:
    """Pictures of one user as planar 4:2:0 bytes."""

    def __init__(self, width, height, user, fps):
        self.width, self.height, self.user, self.fps = width, height, user, fps
        self.cell = min(width // 32, height // 18)
        self.corner = (height // 2 - 9 * self.cell, width // 2 - 16 * self.cell)
        self.luma = np.full((height, width), 96, np.uint8)
        self.chroma = np.full(width * height // 2, 128, np.uint8).tobytes()

    def _box(self, column, row, columns, rows):
        top, left = (int(self.corner[i] + n * self.cell) for i, n in enumerate((row, column)))
        return self.luma[top : top + rows * self.cell, left : left + columns * self.cell]

    def draw(self, frame):
        """The picture with this number since the epoch."""
        number = frame % (self.fps * DAY_SECONDS)
        self._box(0, 4, 7, 10)[:] = 96 + number % 64
        self._box(7, 0, 18, 18)[:] = DARK
        pattern = np.kron(cells(number, self.user), np.ones((self.cell, self.cell), np.uint8))
        self._box(7.5, 7, 17, 5)[:] = pattern
        if number % self.fps < FLASH_FRAMES:
            self._box(8, 13, 16, 4)[:] = WHITE
        return self.luma.tobytes() + self.chroma


def sound(first, count, user):
    """Samples from number `first` since the epoch on, 16 bit."""
    since = np.arange(first, first + count) % RATE
    tone = np.sin(2 * np.pi * since * (600 + 100 * (user % 34)) / RATE)
    level = np.where(since < BEEP, BEEP_LEVEL, HUM_LEVEL)
    return (tone * level * 32767).astype(np.int16).tobytes()
