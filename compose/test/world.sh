# The world: another network namespace behind the engine's machine, which is all that there is outside. Sourced, after
# lib.sh and client.sh.
# shellcheck shell=bash

world='' server=''

# Starts it, at 192.0.2.1. Who reaches it from containers is seen there at 192.0.2.254, the machine's address.
start_world() {
  beside unshare -n sleep 1800
  world=$!
  retry 10 is_apart
  inside ip link add world type veth peer name machine netns "$world"
  inside ip address add 192.0.2.254/24 dev world
  inside ip link set world up
  in_world ip link set lo up
  in_world ip address add 192.0.2.1/24 dev machine
  in_world ip link set machine up
}

is_apart() { [ "$(readlink "/proc/$world/ns/net")" != "$(readlink "/proc/$engine/ns/net")" ]; }
in_world() { nsenter -t "$world" -n "$@"; }

# Serves a folder there with HTTP, and writes down who asks: serve_world FOLDER LOG; $! is the server.
serve_world() {
  nsenter -t "$world" -n python3 -u -m http.server --bind 192.0.2.1 --directory "$1" 80 >>"$2" 2>&1 </dev/null &
  server=$!
  retry 10 in_world curl -sf -o /dev/null http://192.0.2.1
}

stop_world() {
  local process
  for process in ${server:-} $world; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  server='' world=''
}
