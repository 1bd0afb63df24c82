#!/usr/bin/env bash
# tapedeck's commands. Each installs what it needs and nothing else; `./do help` lists them.
set -euo pipefail
cd "$(dirname "$0")"

CACHE=$PWD/.cache
LIVEKIT_VERSION=v1.11.0
CARGO_DENY_VERSION=0.20.2
# Of what is written on mixed pictures: names of users are often Chinese.
FONT_PACKAGES=(fonts-dejavu-core fonts-wqy-microhei)
BUILD_PACKAGES=(build-essential pkg-config libclang-dev libavcodec-dev libavformat-dev libavutil-dev libavfilter-dev
  libavdevice-dev libswscale-dev libswresample-dev libopus-dev)
GSTREAMER_PACKAGES=(gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-libav)
TEST_PACKAGES=(ffmpeg chromium python3-venv "${GSTREAMER_PACKAGES[@]}")

help() {
  cat <<'TEXT'
./do run [OPTION...]     build and serve, with embedded defaults; options are those of `tapedeck serve`
./do demo                record two synthetic users and show their files
./do test [PYTEST...]    every test; with arguments only the end-to-end tests that they choose
./do lint                format, clippy, licences and sources of dependencies, rules of the house
./do bench NAME [ARG...] a benchmark: single, mix, finish
TEXT
}

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'do: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Installs those of the named Debian packages that are not installed yet.
need_packages() {
  local missing=() package root=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  have apt-get || die "install by hand, this is no Debian: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    have sudo || die "neither root nor sudo: install ${missing[*]}"
    root=(sudo)
  fi
  say "installing ${missing[*]}"
  # A machine that was just started often updates itself: that is waited for.
  "${root[@]}" apt-get -o DPkg::Lock::Timeout=600 update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq \
    --no-install-recommends "${missing[@]}" >&2
}

need_tool() { have "$1" || die "$1 is missing: $2"; }

need_build() {
  need_tool cargo "install Rust with rustup"
  need_packages "${BUILD_PACKAGES[@]}"
}

# Python and its packages, exactly as tests/e2e/requirements.txt pins them.
need_venv() {
  local wanted=tests/e2e/requirements.txt
  need_tool python3 "install Python 3.11 or newer"
  cmp -s "$wanted" "$CACHE/venv/requirements.txt" && return
  say "installing Python packages into .cache/venv"
  python3 -m venv --clear "$CACHE/venv"
  "$CACHE/venv/bin/pip" install -q -r "$wanted"
  cp "$wanted" "$CACHE/venv/requirements.txt"
}

need_npm() {
  need_tool npm "install Node.js 18 or newer with npm"
  cmp -s tests/e2e/package-lock.json tests/e2e/node_modules/.installed && return
  say "installing npm packages into tests/e2e/node_modules"
  npm ci --loglevel=error --no-audit --no-fund --prefix tests/e2e
  cp tests/e2e/package-lock.json tests/e2e/node_modules/.installed
}

# A real LiveKit server as a second room server. The tests that use it are skipped, by name, where Go is missing.
need_livekit() {
  local server=$CACHE/bin/livekit-server-$LIVEKIT_VERSION
  if [ ! -x "$server" ] && have go; then
    say "building LiveKit server $LIVEKIT_VERSION"
    mkdir -p "$CACHE/bin"
    # A Go that is too old for it counts as missing.
    if GOBIN=$CACHE/bin go install "github.com/livekit/livekit-server/cmd/server@$LIVEKIT_VERSION"; then
      mv "$CACHE/bin/server" "$server"
    fi
  fi
  [ ! -x "$server" ] || export E2E_LIVEKIT_SERVER=$server
}

need_cargo_deny() {
  have cargo-deny && return
  export PATH=$CACHE/cargo/bin:$PATH
  have cargo-deny && return
  say "building cargo-deny $CARGO_DENY_VERSION"
  # A debug build: it runs for a second, and optimising it takes minutes.
  cargo install -q cargo-deny --version "$CARGO_DENY_VERSION" --locked --debug --root "$CACHE/cargo" \
    --target-dir "$CACHE/cargo/target"
  rm -rf "$CACHE/cargo/target"
}

run() {
  need_build
  need_packages "${FONT_PACKAGES[@]}"
  cargo build --release -p tapedeck
  exec target/release/tapedeck serve --dev "$@"
}

demo() {
  need_build
  need_packages ffmpeg python3-venv "${FONT_PACKAGES[@]}"
  need_venv
  cargo build --release -p tapedeck
  E2E_TAPEDECK=$PWD/target/release/tapedeck "$CACHE/venv/bin/python" tests/e2e/demo.py "$@"
}

e2e() {
  need_packages "${TEST_PACKAGES[@]}" "${FONT_PACKAGES[@]}"
  need_venv
  need_npm
  need_livekit
  cargo build -p tapedeck -p testkit --bins
  local pytest="$CACHE/venv/bin/pytest" status=0
  if [ $# -gt 0 ]; then "$pytest" tests/e2e "$@"; return; fi
  "$pytest" tests/e2e -m long > "$CACHE/long.log" 2>&1 &
  local long=$!
  # They wait more than they work: two files at a time.
  "$pytest" tests/e2e -m "not long" -n 2 --dist loadfile || status=$?
  wait "$long" || status=$?
  cat "$CACHE/long.log"
  return "$status"
}

test() {
  need_build
  if [ $# -gt 0 ]; then e2e "$@"; return; fi
  need_packages ffmpeg "${FONT_PACKAGES[@]}"
  need_livekit
  cargo test --workspace
  e2e
}

lint() {
  need_build
  cargo fmt -- --check
  cargo clippy --workspace --all-targets -- -D warnings
  if ! have shellcheck; then need_packages shellcheck; fi
  shellcheck ./do .ci/run
  house_rules
  need_cargo_deny
  dependencies
}

# Licences, bans and sources are those of the crates for all systems, of which a build fetches its own only.
# Advisories need a copy of their database, which may not be at hand.
dependencies() {
  cargo fetch --locked --quiet
  cargo deny --offline --log-level warn check licenses bans sources
  if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*" >/dev/null; then
    cargo deny --offline check advisories
  else
    say "no advisory database on this machine: known vulnerabilities were not looked for"
  fi
}

# What no other tool knows: where unsafe code, clocks and I/O may live, which crates may know which, what is left behind.
house_rules() {
  forbid 'unsafe code outside crates/codec' '\bunsafe[ {]' crates/{rules,media,rtc,store,recorder,synth,server,testkit}
  forbid 'left behind' 'TODO|FIXME|XXX|todo!\(|unimplemented!\(|#\[ignore\]' crates tests/e2e
  forbid 'clock, I/O, threads or order by chance in crates/rules' \
    '(SystemTime|Instant)::now|std::(fs|net|thread|env)|tokio|async fn|Hash(Map|Set)' crates/rules/src
  forbid 'clock, sockets, threads or order by chance in crates/media' \
    '(SystemTime|Instant)::now|std::(net|thread|env)|tokio|async fn|Hash(Map|Set)' crates/media/src
  arrows rules ''
  arrows media rules
  arrows codec 'rules|media'
  arrows store rules
  arrows rtc 'rules|media'
}

# Fails with the named fault when a source file under the given folders matches.
forbid() {
  local fault=$1 pattern=$2 found
  shift 2
  found=$(grep -rnE "$pattern" "$@" --include='*.rs' --include='*.py' --include='*.js' --exclude-dir=node_modules || true)
  [ -z "$found" ] || die "$fault:
$found"
}

# The crates that the named one may depend on, of our own.
arrows() {
  local own='rules|media|codec|rtc|store|recorder|synth|server|testkit' section
  section=$(sed -n '/^\[dependencies\]/,/^\[/p' "crates/$1/Cargo.toml" | grep -oE "^($own)\b" || true)
  [ -z "$2" ] || section=$(grep -vxE "$2" <<<"$section" || true)
  [ -z "$section" ] || die "crates/$1 must not depend on: $section"
}

bench() {
  local name=${1:-}
  [ -f "bench/$name.py" ] || die "which benchmark? one of: $(cd bench && echo *.py | sed 's/\.py//g')"
  shift
  need_build
  need_packages ffmpeg
  need_tool python3 "install Python 3.11 or newer"
  if [ "$name" = mix ]; then
    need_packages "${GSTREAMER_PACKAGES[@]}" gstreamer1.0-plugins-ugly
    # In one go: the example alone would build its dependencies again, with fewer features.
    cargo build --release -p tapedeck -p recorder --bin tapedeck --example mix
  elif [ "$name" = finish ]; then
    cargo build --release -p recorder --example finish
  else
    cargo build --release -p tapedeck
  fi
  python3 "bench/$name.py" "$@"
}

case "${1:-help}" in
  run | demo | test | lint | bench) "$@" ;;
  help | -h | --help) help ;;
  *) help >&2; die "unknown command $1" ;;
esac
