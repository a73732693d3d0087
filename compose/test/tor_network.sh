# A Tor network in the world (world.sh), of Debian's tor on this machine. Sourced; its program is in $tor_network
# (node/crates/tunnel/testing/examples).
# shellcheck shell=bash

network=$work/tor-network

network_ready() { [ -e "$network/socks" ]; }

# Starts it; $network/torrc is then what any other tor in it has to be told, and $client_socks a client's port.
start_network() {
  mkdir "$network"
  # It ends with its standard input, which is this shell's: however this ends, nothing is left.
  exec {network_end}> >(in_world "$tor_network" 192.0.2.1 "$network" >"$network/said" 2>&1)
  network_program=$!
  retry 240 network_ready || fail "no Tor network: $(tail -n 5 "$network/said")"
  client_socks=$(cat "$network/socks")
}

stop_network() {
  [ -n "${network_end:-}" ] || return 0
  exec {network_end}>&-
  wait "$network_program" 2>/dev/null || true
}
