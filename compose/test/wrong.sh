# What goes wrong, and what is then seen. Sourced by `stack`, with the stack up.
# shellcheck shell=bash

says() {  # SERVICE WORDS: in what the service logged last
  docker logs --tail 20 "$(docker ps -aq --filter "label=com.docker.compose.service=$1")" 2>&1 | grep -q "$2"
}
volume() { printf '%s' "$work/engine/data/volumes/lucid_$1/_data"; }

echo "- one service is down: the rest says which"
docker stop -t 5 "$(id_of merkle-builder)" >/dev/null
lacks() { inside curl -s http://127.0.0.1:8080/ready | grep -q 'api-server'; }
retry 20 lacks || fail "the gateway is ready without merkle-builder"
ready_of() { docker run --rm --network lucid_core_net localhost/lucid/server-tools:latest healthcheck api-server --ready --url http://api-server:8081 2>&1; }
[[ $(ready_of) == *merkle-builder* ]] || fail "api-server does not name it: $(ready_of)"
ask "$api/sessions/$first" -H "$auth" -o /dev/null || fail "what does not need it does not go on"
docker start "$(docker ps -aq --filter label=com.docker.compose.service=merkle-builder)" >/dev/null

echo "- a wrong master key"
cp "$stack/secrets/master_encryption_key" "$work/kept"
docker stop -t 10 "$(id_of session-encryptor)" >/dev/null
encryptor=$(docker ps -aq --filter label=com.docker.compose.service=session-encryptor)
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$stack/secrets/master_encryption_key"
docker start "$encryptor" >/dev/null
retry 20 says session-encryptor 'master key' || fail "it says: $(docker logs --tail 3 "$encryptor" 2>&1)"
docker logs --tail 1 "$encryptor" 2>&1 | cut -c1-300
docker stop -t 10 "$encryptor" >/dev/null
cat "$work/kept" >"$stack/secrets/master_encryption_key"

echo "- a volume of another user"
chown -R 0:0 "$(volume encryption_keys)"
chmod 0700 "$(volume encryption_keys)"
docker start "$encryptor" >/dev/null
retry 20 says session-encryptor 'ermission denied' || fail "it says: $(docker logs --tail 3 "$encryptor" 2>&1)"
docker logs --tail 1 "$encryptor" 2>&1 | cut -c1-300
docker stop -t 10 "$encryptor" >/dev/null
chown -R 65532:65532 "$(volume encryption_keys)"

echo "- chunks without the keys that they belong to"
mv "$(volume encryption_keys)" "$work/keys-volume"
mkdir -p "$(volume encryption_keys)/chunks"
chown -R 65532:65532 "$(volume encryption_keys)"
docker start "$encryptor" >/dev/null
retry 20 says session-encryptor "is not a data folder" || fail "it says: $(docker logs --tail 3 "$encryptor" 2>&1)"
docker logs --tail 1 "$encryptor" 2>&1 | cut -c1-300
docker stop -t 10 "$encryptor" >/dev/null
rm -rf "$(volume encryption_keys)"
mv "$work/keys-volume" "$(volume encryption_keys)"
docker start "$encryptor" >/dev/null

echo "- MongoDB with another password"
sed 's/lucid:[0-9a-f]*@/lucid:0123456789abcdef@/' "$stack/secrets/mongo_url" >"$work/mongo_url"
docker run --rm --network "container:$(id_of mongodb)" -v "$work/mongo_url:/url:ro" -v "$work/kept:/administrator:ro" \
  -e LUCID_MONGO_URL_FILE=/url localhost/lucid/server-tools:latest sync setup --root-password-file /administrator >"$work/said" 2>&1 &&
  fail "another administrator's password was taken"
grep -qi 'password' "$work/said" || fail "it says: $(cat "$work/said")"
cut -c1-300 "$work/said"

retry 60 whole "$first" "$work/first" || fail "the first session is not whole after all of it"
