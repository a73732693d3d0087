# What the container tests share. Sourced: `work` is the folder of this run, `cache` one that may be kept.
# shellcheck shell=bash

say() { printf '%s\n' "--- $* (${SECONDS}s)"; }
fail() { printf '%s\n' "FAILED: $*" >&2; exit 1; }

# buildah and skopeo keep what they make in the run's folder, and touch no storage of this machine.
use_storage() {
  mkdir -p "$work/storage" "$work/storage-run"
  cat >"$work/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/storage-run"
END
  export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot
}

# The file of a Debian package, of an architecture or of all: deb ARCHITECTURE PACKAGE
deb() { compgen -G "$cache/debs/$2_*_$1.deb" || compgen -G "$cache/debs/$2_*_all.deb"; }

# Fetches Debian packages that are not there yet, all at once: fetch PACKAGE:ARCHITECTURE...
fetch() {
  local name missing=()
  mkdir -p "$cache/debs"
  for name; do deb "${name#*:}" "${name%:*}" >/dev/null || missing+=("$name"); done
  [ ${#missing[@]} -eq 0 ] || (cd "$cache/debs" && apt-get download -q -o APT::Sandbox::User=root "${missing[@]}" >/dev/null)
}

# Unpacks fetched packages of one architecture: unpack ARCHITECTURE FOLDER PACKAGE...
unpack() {
  local architecture=$1 folder=$2 package
  shift 2
  mkdir -p "$folder"
  for package; do dpkg-deb -x "$(deb "$architecture" "$package")" "$folder"; done
}

# Copies what programs are linked with on this machine: libraries ROOT PROGRAM...
libraries() {
  local root=$1 library
  shift
  ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^\t\(\/lib64[^ ]*\) .*/\1/p' | sort -u |
    while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
}

# A page's commands in the block that is marked `<!-- run by MARK -->`: block PAGE MARK
block() {
  awk -v mark="<!-- run by $2 -->" '
    $0 == mark { marked = 1; next }
    marked && /^```sh$/ { inside = 1; found = 1; next }
    inside && /^```$/ { exit }
    inside { print; next }
    marked { exit }
    END { exit !found }' "$1"
}

# An engine in namespaces of its own, of these options: no port of it, no network and no rule is this machine's.
start_engine() {
  mkdir -p "$work/engine"
  setsid unshare -n -m --propagation private sh -c "ip link set lo up
    exec dockerd -H unix://$work/engine/docker.sock --data-root $work/engine/data --exec-root $work/engine/exec \
      --pidfile $work/engine/docker.pid $*" >"$work/engine/log" 2>&1 &
  # Until it says its own, so that it is ended though it never comes up.
  engine=$!
  export DOCKER_HOST=unix://$work/engine/docker.sock
  local _
  for _ in {1..300}; do
    docker info >/dev/null 2>&1 && engine=$(cat "$work/engine/docker.pid") && return 0
    sleep 0.1
  done
  tail -n 30 "$work/engine/log" >&2
  fail "dockerd did not start: the kernel lacks something that it says above (overlayfs, bridges, NAT, cgroups)"
}

stop_engine() {
  [ -n "${engine:-}" ] || return 0
  kill -TERM "$engine" 2>/dev/null || true
  local _
  for _ in {1..300}; do
    kill -0 "$engine" 2>/dev/null || { engine=; return 0; }
    sleep 0.1
  done
  fail "dockerd ($engine) does not end"
}

# Runs a command where the engine's published ports are.
inside() { nsenter -t "$engine" -n "$@"; }
# The same in the background; $! is the command's own process.
beside() { nsenter -t "$engine" -n "$@" >/dev/null 2>&1 </dev/null & }

# Takes a stack down by one generation of compose: down COMPOSE [-v]. After cuts and kills the engine can hold the end of a
# container that is gone in a network, and then refuses to remove the network: that is the engine's, and is said and mended.
down() {
  local compose=$1 network end
  shift
  ! "$compose" down "$@" >"$work/said" 2>&1 || return 0
  grep -q 'has active endpoints' "$work/said" || { cat "$work/said" >&2; fail "$compose down $*"; }
  echo "!!! the engine keeps a network: $(grep -m 1 'has active endpoints' "$work/said" | cut -c1-400)"
  for network in $(docker network ls -q --filter label=com.docker.compose.project); do
    for end in $(docker network inspect -f '{{range .Containers}}{{.Name}} {{end}}' "$network"); do
      docker network disconnect -f "$network" "$end" || true
    done
  done
  "$compose" down "$@" >"$work/said" 2>&1 || grep -q 'has active endpoints' "$work/said" || { cat "$work/said" >&2; fail "$compose down $*"; }
}
