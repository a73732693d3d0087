# What OPERATIONS.md says of upgrades, backups and secrets, done as it is printed there. Sourced by stack, with the stack up
# and two sessions sealed.
#
# A block of commands that this runs is marked on the page by `<!-- run by compose/test/operations.sh: NAME -->`; of the
# table of secrets it runs what each row has in backticks in its second column, in order.
# shellcheck shell=bash

page=$here/../OPERATIONS.md
# The page's commands are for the top of the repository, and for whatever `docker compose` is.
top=$work/top
mkdir -p "$top/programs"
ln -s "$stack" "$top/compose"
printf '#!/bin/sh\n[ "$1" != compose ] || { shift; exec "%s" "$@"; }\nexec "%s" "$@"\n' \
  "$cache/compose/bin/docker-compose" "$(command -v docker)" >"$top/programs/docker"
chmod +x "$top/programs/docker"

section() { block "$page" "compose/test/operations.sh: $1"; }  # NAME: the commands of the page's block that is marked so
row() {  # SECRET: the commands of its row, one a line
  awk -F ' [|] ' -v name="| \`$1\`" '$1 == name { print $2 }' "$page" | grep -o '`[^`]*`' | tr -d '`'
}
# Runs commands at the top, with what the page defines before them; what they say is in $work/said.
as_printed() {
  local commands
  [ -n "${1:-}" ] || fail "OPERATIONS.md lacks what is to be run here"
  commands=$(section compose && section secrets && printf '%s\n' "$@")
  (cd "$top" && PATH=$top/programs:$PATH bash -euo pipefail -c "$commands") >"$work/said" 2>&1 </dev/null ||
    { tail -n 20 "$work/said" >&2; fail "as OPERATIONS.md has it: $*"; }
}

declare -A content=(["$first"]=$work/first ["$second"]=$work/second)
all_whole() {
  local session
  for session in "${!content[@]}"; do whole "$session" "${content[$session]}" || return 1; done
}
sealed_sessions() {
  ask "$api/sessions?limit=100" -H "$auth" | python3 -Bc 'import json, sys
for session in json.load(sys.stdin)["sessions"]:
    if session["state"] == "sealed": print(session["session_id"], session["sealed"]["merkle_root"])'
}
# That somebody can sign in, read what is there, record, prove it, and that MongoDB gets it.
works() {
  local session
  retry 30 sign_in || fail "$1: nobody can sign in"
  retry 30 whole "$first" "$work/first" || fail "$1: the first session is not whole"
  head -c 10000 /dev/urandom >"$work/small"
  session=$(mint)
  upload "$session" "$work/small" 10000
  retry 30 seal "$session" || fail "$1: nothing can be sealed"
  whole "$session" "$work/small" || fail "$1: what was recorded after it is not whole"
  retry 60 synced || fail "$1: MongoDB is behind: $(ask "$api/admin/sync" -H "$auth")"
}

release=$(section upgrade | sed -n 's/^release=\([^ ]*\).*/\1/p')
say "upgrade to $release, as OPERATIONS.md has it, while a session is uploaded"
for name in $(docker images --format '{{.Repository}}' | grep '^localhost/lucid/'); do docker tag "$name:latest" "$name:${release:?}"; done
head -c 40000000 /dev/urandom >"$work/upgraded"
sign_in
third=$(mint)
before=$(sealed_sessions)
rm -f "$work/acknowledged"
touch "$work/slowly"
(upload "$third" "$work/upgraded" 1048576; [ "${broken:-0}" -gt 0 ] || fail "the upgrade did not meet the upload") &
uploading=$!
retry 30 moved 3000000
as_printed "$(section upgrade)"
# The upload itself fails where it is told less than what was acknowledged.
on
[ "$(docker ps --format '{{.Image}}' --filter label=com.docker.compose.project=lucid | grep -v mongo | sed 's/.*://' | sort | uniq -c | tr -s ' ')" = " 12 $release" ] ||
  fail "not all are of $release: $(docker ps --format '{{.Image}}')"
rm "$work/slowly"
wait $uploading
uploading=''
retry 30 seal "$third" || fail "the session of the upgrade cannot be sealed"
content[$third]=$work/upgraded
all_whole || fail "after the upgrade not all sessions are whole"
[ -n "$before" ] && [ "$(sealed_sessions | grep -v "$third")" = "$before" ] || fail "sealed: $before, and then $(sealed_sessions)"

# Each row of the table. The page has whoever does it remove the former secret at the end.
secrets=$(ls -lA "$stack/secrets" | awk '{ print $1, $3, $NF }')
forget() { rm "$stack/secrets/$1.old"; }

say "secrets: jwt_secret_key"
sign_in
former=$auth
refresh=$(field refresh_token <"$work/tokens.json")
as_printed "$(row jwt_secret_key)"
refused() { [ "$(inside curl -s -o "$work/said" -w '%{http_code}' "$api/sessions" -H "$former")" = 401 ] && grep -q '"token_invalid"' "$work/said"; }
retry 30 refused || fail "a token of the former secret is still taken: $(cat "$work/said")"
refreshed() { ask "$api/auth/refresh" -H "$json" -d "{\"refresh_token\":\"$refresh\"}" -o "$work/tokens.json"; }
retry 30 refreshed || fail "who was signed in is signed out"
auth="Authorization: Bearer $(field access_token <"$work/tokens.json")"
ask "$api/sessions" -H "$auth" -o /dev/null || fail "the refreshed token is refused"
works jwt_secret_key
forget jwt_secret_key

say "secrets: tron_private_key"
account() { docker exec "$(id_of blockchain-ledger)" /lucid-node auth address --key /run/secrets/tron_private_key; }
former=$(account)
mapfile -t commands < <(row tron_private_key)
as_printed "${commands[0]}"
paid=$(grep -o '\bT[1-9A-HJ-NP-Za-km-z]\{33\}\b' "$work/said" | sort -u)
[ "$(account)" = "$former" ] && [ -n "$paid" ] && [ "$paid" != "$former" ] || fail "it was $former, is $(account), is to be '$paid'"
as_printed "${commands[@]:1}"
[ "$(account)" = "$paid" ] || fail "$paid was paid, and $(account) is in use"
works tron_private_key
forget tron_private_key

# Whether MongoDB takes a password: mongo_takes USER PASSWORD DATABASE. It is asked what it has of this node.
node=$(ask "$api/chain/node" -H "$auth" | field node_id)
mongo_takes() {
  (cd "$work" && LUCID_MONGO_URL="mongodb://$1:$2@127.0.0.1:27017/?authSource=$3&directConnection=true" \
    nsenter -t "$(pid_of mongodb)" -n "$binary" sync read-back --node "$node" --json) >"$work/said" 2>&1
}
mongo_refuses() { ! mongo_takes "$@" && grep -q 'Authentication failed' "$work/said"; }
password() { sed 's/^.*lucid:\([^@]*\)@.*/\1/'; }
# That MongoDB takes the new password and refuses the old one: mongo_has_new SECRET USER DATABASE
mongo_has_new() {
  local new old
  new=$(password <"$stack/secrets/$1") old=$(password <"$stack/secrets/$1.old")
  retry 30 mongo_takes "$2" "$new" "$3" || fail "MongoDB does not take the new $1: $(cat "$work/said")"
  mongo_refuses "$2" "$old" "$3" || fail "MongoDB takes the former $1: $(cat "$work/said")"
}

say "secrets: mongo_url, mongo_root_password, mongo_keyfile"
for secret in 'mongo_url lucid admin' 'mongo_root_password root admin' 'mongo_keyfile __system local'; do
  read -r secret user database <<<"$secret"
  as_printed "$(row "$secret")"
  # The keys of a set are its servers' password to each other, as this user.
  mongo_has_new "$secret" "$user" "$database"
  works "$secret"
  forget "$secret"
done

say "secrets: service_secret; and back to the former release"
# A gateway that goes on with the old secret.
cp "$stack/secrets/service_secret" "$work/former-secret"
docker run -d --name former --network lucid_core_net -v "$work/former-secret:/secret:ro" -e LUCID_SERVICE_SECRET_FILE=/secret \
  -e LUCID_CHAIN=true -e LUCID_LISTEN=0.0.0.0:8080 -e LUCID_API_SERVER_URL=http://api-server.core:8081 \
  localhost/lucid/server-tools:latest serve api-gateway >/dev/null
former_ready() { nsenter -t "$(docker inspect -f '{{.State.Pid}}' former)" -n curl -s http://127.0.0.1:8080/ready >"$work/said"; grep -q "$1" "$work/said"; }
retry 30 former_ready '"status":"ready"' || fail "what has the secret is not let in: $(cat "$work/said")"
sed -i "s/^STACK_TAG=.*/STACK_TAG=latest/" "$stack/.env"
as_printed "$(row service_secret)"
retry 30 former_ready service_secret || fail "what has the former secret is told: $(cat "$work/said")"
docker rm -f former >/dev/null
works service_secret
all_whole || fail "in the former release not all sessions are whole"
[ "$(docker ps --format '{{.Image}}' --filter label=com.docker.compose.project=lucid | grep -v mongo | sed 's/.*://' | sort | uniq -c | tr -s ' ')" = " 12 latest" ] ||
  fail "not all are of the former release: $(docker ps --format '{{.Image}}')"
forget service_secret
[ "$(ls -lA "$stack/secrets" | awk '{ print $1, $3, $NF }')" = "$secrets" ] || fail "the secrets were $secrets, and are $(ls -lA "$stack/secrets")"

say "back up, destroy, restore"
# The page's image, where no registry can be reached: what it is used for, of this machine.
root=$work/debian-slim
mkdir -p "$root/bin"
cp "$(command -v tar)" "$(command -v gzip)" "$(command -v sh)" "$root/bin"
libraries "$root" "$root"/bin/*
tar -C "$root" -c . | docker import - debian:12-slim >/dev/null
retry 60 synced || fail "MongoDB is behind"
before=$(sealed_sessions)
ask "$api/log/checkpoint" -H "$auth" -o "$work/checkpoint"
as_printed "$(section 'back up')"
works "back up"
down new -v
for volume in mongodb_data $(cd "$top/backup" && ls | sed 's/\.tar\.gz$//'); do
  ! docker volume inspect "lucid_$volume" >/dev/null 2>&1 || fail "$volume is left, so nothing is restored into empty volumes"
done
mkdir "$work/apart"
mv "$stack/secrets" "$stack/.env" "$work/apart"
cp -a "$work/apart/." "$stack"
as_printed "$(section restore)"
retry 30 sign_in || fail "nobody can sign in after the restore"
all_whole || fail "after the restore not all sessions are whole"
[ "$(sealed_sessions)" = "$before" ] || fail "sealed: $before, and restored $(sealed_sessions)"
# It may have asked MongoDB before its user was made there, and asks again by itself.
retry 150 synced || fail "MongoDB is behind: $(ask "$api/admin/sync" -H "$auth")"
works restore
ask "$api/log/checkpoint" -H "$auth" -o "$work/checkpoint-now"
ask "$api/log/proof/consistency?from=$(sed -n 2p "$work/checkpoint")&to=$(sed -n 2p "$work/checkpoint-now")" -H "$auth" -o "$work/consistency.json"
# RFC 9162 §2.1.4.2: from the same path both heads are made.
python3 -B - "$work"/{checkpoint,checkpoint-now,consistency.json} <<'END'
import base64, hashlib, json, sys

def head(path):
    lines = open(path).read().splitlines()
    return int(lines[1]), base64.b64decode(lines[2])

def node(left, right): return hashlib.sha256(b"\x01" + left + right).digest()

(size, root), (later, later_root) = head(sys.argv[1]), head(sys.argv[2])
path = [bytes.fromhex(digits) for digits in json.load(open(sys.argv[3]))["path"]]
assert 0 < size < later, f"the log had {size} entries, and has {later}"
if size & (size - 1) == 0:
    path.insert(0, root)
at, last = size - 1, later - 1
while at & 1:
    at, last = at >> 1, last >> 1
old = new = path[0]
for hash in path[1:]:
    assert last, "the proof is too long"
    if at & 1 or at == last:
        old, new = node(hash, old), node(hash, new)
        while at and not at & 1:
            at, last = at >> 1, last >> 1
    else:
        new = node(new, hash)
    at, last = at >> 1, last >> 1
assert last == 0 and old == root and new == later_root, "the restored log is not the one that there was"
print(f"the log of {size} entries is the beginning of the restored one, now {later}")
END
# MongoDB, which was empty, has all of it.
mongo_has_all() {
  mongo_takes lucid "$(password <"$stack/secrets/mongo_url")" admin || return 1
  # The log may have grown since it was asked.
  [ "$(sed -n 's/^{.*"log_size":\([0-9]*\),.*/\1/p' "$work/said")" -ge "$(sed -n 2p "$work/checkpoint-now")" ]
}
retry 30 mongo_has_all || fail "MongoDB has not got everything again: $(cut -c1-300 "$work/said")"
