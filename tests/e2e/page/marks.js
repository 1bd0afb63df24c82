// The marks of crates/synth, drawn and sounded by a browser: schedule.rs, code.rs and draw.rs say what they mean.
const DAY_SECONDS = 86_400;
const FLASH_FRAMES = 2;
const BEEP_S = 0.06;
const BEEP_LEVEL = 0.25;
const HUM_LEVEL = 0.02;

const wallMs = () => performance.timeOrigin + performance.now();
const frameAt = (ms, fps) => Math.floor((ms * fps) / 1000);
const toneHz = (user) => 600 + 100 * (user % 34);

// CRC-16/CCITT over number and user.
function checkSum(number, user) {
  let sum = 0xffff;
  for (const byte of [number >>> 24, number >>> 16, number >>> 8, number, user >>> 8, user]) {
    sum ^= (byte & 0xff) << 8;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff;
  }
  return sum;
}

// The 17 x 5 cells, row by row; true is white.
function cells(number, user) {
  const bits = [
    [number, 32],
    [user, 16],
    [checkSum(number, user), 16],
  ].flatMap(([value, count]) => Array.from({ length: count }, (_, n) => (value >>> (count - 1 - n)) & 1));
  return Array.from({ length: 5 }, (_, row) =>
    Array.from({ length: 17 }, (_, column) =>
      row === 0 || column === 0 ? (row + column) % 2 === 0 : bits[(row - 1) * 16 + column - 1] === 1,
    ),
  );
}

// Draws the frame with this number since the epoch.
function drawFrame(context, { width, height, fps, user, frame }) {
  const cell = Math.max(1, Math.floor(Math.min(width / 32, height / 18)));
  const [x, y] = [width / 2 - 16 * cell, height / 2 - 9 * cell];
  const number = frame % (fps * DAY_SECONDS);
  const box = (column, row, columns, rows, style) => {
    context.fillStyle = style;
    context.fillRect(x + column * cell, y + row * cell, columns * cell, rows * cell);
  };
  context.fillStyle = `hsl(${(user * 137.5) % 360}, 60%, 35%)`;
  context.fillRect(0, 0, width, height);
  box(7, 0, 18, 18, "#090909");
  cells(number, user).forEach((line, row) =>
    line.forEach((white, column) => box(7.5 + column, 7 + row, 1, 1, white ? "#fff" : "#000")),
  );
  if (number % fps < FLASH_FRAMES) box(8, 13, 16, 4, "#fff");
  // Something that moves beside the code and never over it, so that pictures differ by more than that.
  box((number % 28) / 6, 4, 2, 10, "#888");
}

// The user's tone, faint; `scheduleBeeps` makes it loud.
function startTone(audio, destination, user) {
  const tone = new OscillatorNode(audio, { frequency: toneHz(user) });
  audio.level = new GainNode(audio, { gain: HUM_LEVEL });
  tone.connect(audio.level).connect(destination);
  tone.start();
}

// Schedules the beeps of the next two seconds on the audio clock; each second is scheduled once.
function scheduleBeeps(audio) {
  // Rendering runs ahead in blocks: the smallest distance of the clocks is the true one.
  audio.wallMinusAudio = Math.min(audio.wallMinusAudio ?? Infinity, wallMs() / 1000 - audio.currentTime);
  const first = Math.ceil(wallMs() / 1000 + 0.1);
  for (const second of [first, first + 1]) {
    if (second <= (audio.lastBeep ?? 0)) continue;
    audio.lastBeep = second;
    const at = second - audio.wallMinusAudio;
    audio.level.gain.setValueAtTime(BEEP_LEVEL, at);
    audio.level.gain.setValueAtTime(HUM_LEVEL, at + BEEP_S);
  }
}
