# A Tor network in the world (world.sh): three directory authorities, three relays, all of them exits, and a client.
# Sourced. They are Debian's tor on this machine.
# shellcheck shell=bash

network=$work/tor-network
members=(authority0 authority1 authority2 relay0 relay1 relay2)
client_socks=192.0.2.1:9150
tors=()

# What every tor in a network of few relays, none of which is known for long, has to be told (tor's manual, TESTING
# NETWORK OPTIONS). Second hops that stay the same, four of them, leave too few others for a circuit's end, in the worst case
# the guard alone, which is no end of its own circuit. Pairs of circuits, made ahead of need, keep relays busy that have two cores between them.
everybody='TestingTorNetwork 1
AssumeReachable 1
PathsNeededToBuildCircuits 0.67
TestingDirAuthVoteExit *
TestingDirAuthVoteHSDir *
TestingDirAuthVoteGuard *
V3AuthNIntervalsValid 30
ClientRejectInternalAddresses 0
VanguardsLiteEnabled 0
ConfluxEnabled 0
ShutdownWaitLength 0'

# A consensus every 20 s. It is valid for 30 of them, for machines that are too busy to vote in time.
authority='AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo nobody@localhost
TestingV3AuthInitialVotingInterval 10
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingMinExitFlagThreshold 0'

# Slow is no reason for a relay to refuse.
relay='MaxOnionQueueDelay 30 seconds
ExitRelay 1
ExitPolicy accept *:*
ExitPolicyRejectPrivate 0
SocksPort 0'

# Makes an authority's keys and prints the line by which others know it: make_authority NAME OR_PORT DIRECTORY_PORT
make_authority() {
  local name=$1 keys=$network/$1/keys identity digits
  mkdir -p "$keys"
  printf 'nobody\n' | tor-gencert --create-identity-key --passphrase-fd 0 -m 12 -a "192.0.2.1:$3" \
    -i "$keys/authority_identity_key" -s "$keys/authority_signing_key" -c "$keys/authority_certificate" >/dev/null 2>&1
  identity=$(sed -n 's/^fingerprint //p' "$keys/authority_certificate")
  # It wants to know of an authority, whichever.
  digits=$(tor --ignore-missing-torrc -f /dev/null --quiet --list-fingerprint --orport 1 --nickname "$name" \
    --dirauthority 'x 127.0.0.1:1 ffffffffffffffffffffffffffffffffffffffff' --datadirectory "$network/$name" | tail -n 1)
  printf 'DirAuthority %s orport=%s no-v2 v3ident=%s 192.0.2.1:%s %s\n' "$name" "$2" "$identity" "$3" \
    "$(printf '%s' "${digits#* }" | tr -d ' ')"
}

start_tor() {  # NAME
  in_world tor -f "$network/$1/torrc" >"$network/$1/said" 2>&1 </dev/null &
  tors+=($!)
}

# So many relays are in the consensus that it has: knows_of COUNT NAME
knows_of() { [ "$(grep -c '^r ' "$network/$2/cached-microdesc-consensus" 2>/dev/null || true)" = "$1" ]; }
all_know() { local name; for name in "${members[@]}"; do knows_of 6 "$name" || return 1; done; }
client_ready() { knows_of 6 client && grep -q 'Bootstrapped 100%' "$network/client/said"; }

# Starts the network; $network/torrc is then what any other tor in it has to be told.
start_network() {
  local name at=0
  for name in "${members[@]}" client; do install -d -m 0700 "$network/$name"; done
  printf '%s\n' "$everybody" >"$network/torrc"
  for name in "${members[@]:0:3}"; do
    make_authority "$name" $((5000 + at)) $((7000 + at)) >>"$network/torrc"
    at=$((at + 1))
  done
  at=0
  for name in "${members[@]}"; do
    {
      printf '%s\n%s\n' "$(cat "$network/torrc")" "$relay"
      case $name in authority*) printf '%s\n' "$authority" ;; esac
      printf 'Address 192.0.2.1\nNickname %s\nDataDirectory %s\nOrPort 192.0.2.1:%s\nDirPort 192.0.2.1:%s\n' \
        "$name" "$network/$name" $((5000 + at)) $((7000 + at))
      # It ends with this test, however that ends.
      printf '__OwningControllerProcess %s\n' $$
    } >"$network/$name/torrc"
    at=$((at + 1))
    start_tor "$name"
  done
  retry 120 all_know || fail "no Tor network: $(tail -n 5 "$network/authority0/said")"
  # Only now: one that got a consensus without some of them would not ask for the next for minutes.
  printf '%s\nDataDirectory %s\nSocksPort %s\n__OwningControllerProcess %s\n' "$(cat "$network/torrc")" \
    "$network/client" "$client_socks" $$ >"$network/client/torrc"
  start_tor client
  retry 120 client_ready || fail "no client of the Tor network: $(tail -n 5 "$network/client/said")"
}

stop_network() {
  local process
  for process in ${tors[@]+"${tors[@]}"}; do kill "$process" 2>/dev/null || true; done
  for process in ${tors[@]+"${tors[@]}"}; do wait "$process" 2>/dev/null || true; done
  tors=()
}
