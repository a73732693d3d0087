# A first run of bootstrap that is killed, and the secret that a stack need not have. Sourced by `stack`, with the stack not up.
# shellcheck shell=bash

# A program that kills the script that calls it, the so-manieth time: killing PROGRAM TIME
killing() {
  cat >"$killed/programs/$1" <<END
#!/bin/sh
echo >>'$killed/calls'
[ "\$(wc -l <'$killed/calls')" -lt $2 ] || { kill -KILL \$PPID; sleep 60; }
exec $(command -v "$1") "\$@"
END
  chmod +x "$killed/programs/$1"
}
# Begins anew, and is killed: interrupted PROGRAM TIME
interrupted() {
  local status=0
  killed=$work/killed
  rm -rf "$killed"
  mkdir -p "$killed/programs"
  cp "$stack"/{bootstrap,.env.example} "$killed"
  killing "$@"
  { PATH=$killed/programs:$PATH "$killed/bootstrap" >/dev/null; } 2>/dev/null || status=$?
  [ $status = 137 ] || fail "bootstrap was not killed by $1, and ended with $status"
  [ ! -e "$killed/.env" ] || fail "compose/.env was there before the secrets were"
}
made() { find "$killed/secrets" -type f -name '[a-z]*' | wc -l; }
whole_set() { [ "$(made)" = 7 ] && [ "$(find "$killed/secrets" -name '.*' -type f | wc -l)" = 0 ] && [ -s "$killed/.env" ]; }

# Before the first secret, between two, and with all of them there.
for at in 'ln 1' 'ln 4' 'mv 1'; do
  # shellcheck disable=SC2086
  interrupted $at
  before=$(made)
  kept=$(find "$killed/secrets" -type f -name '[a-z]*' -exec sha256sum {} + | sort)
  "$killed/bootstrap" >"$work/said" 2>&1 || fail "killed at $at, it does not go on: $(cat "$work/said")"
  grep -q 'did not come to its end' "$work/said" || fail "killed at $at, it does not say that it goes on: $(cat "$work/said")"
  whole_set || fail "killed at $at, it does not come to its end: $(ls -A "$killed/secrets")"
  [ -z "$kept" ] || (cd / && sha256sum --quiet -c <<<"$kept") || fail "killed at $at, secrets that were there are others now"
  echo "killed with $before of 7 secrets made, it went on"
done
# It is finished now: what is missing is lost.
rm "$killed/secrets/jwt_secret_key"
! "$killed/bootstrap" >"$work/said" 2>&1 || fail "a secret of a folder that was finished was made again"
# And so is what was made before it was killed, such as a key that a part of the stack was started with.
interrupted ln 4
rm "$killed/secrets/master_encryption_key"
! "$killed/bootstrap" >"$work/said" 2>&1 || fail "a master key that was made and lost was replaced"
grep -q 'Bring it back from the backup' "$work/said" && [ "$(made)" = 2 ] || fail "it says: $(cat "$work/said")"
"$killed/bootstrap" --again master_encryption_key >/dev/null && whole_set || fail "it does not go on with --again"

# A mark that somebody left in a folder that was finished: a backup of an unfinished one put back, a second run beside the first.
rm "$killed/secrets/master_encryption_key"
: >"$killed/secrets/.unfinished"
! "$killed/bootstrap" >"$work/said" 2>&1 || fail "a master key of a finished folder was replaced by one that a mark calls never made"
grep -q 'Bring it back from the backup' "$work/said" && [ "$(made)" = 6 ] || fail "it says: $(cat "$work/said")"

# A folder that was finished and is gone, such as one on a disk that is not mounted.
mv "$killed/secrets" "$killed/elsewhere"
status=0
"$killed/bootstrap" >"$work/said" 2>&1 || status=$?
[ $status = 74 ] && grep -q 'is something not mounted' "$work/said" && [ ! -e "$killed/secrets" ] || fail "it ends with $status and says: $(cat "$work/said")"
# An .env that somebody wrote before is no such one.
rm -rf "$killed/elsewhere"
printf 'STACK_SECRETS=%s\n' "$killed/secrets" >"$killed/.env"
"$killed/bootstrap" >/dev/null && whole_set && grep -q 'Written by' "$killed/.env" || fail "with a STACK_SECRETS of the operator's it makes none"
(export CDPATH=/tmp && cd "$killed" && rm .env && rm -rf secrets && sh bootstrap >/dev/null) && whole_set || fail "CDPATH leads it astray"
for path in 'a #b' 'a$b' "a'b"; do
  rm -f "$killed/.env"
  status=0
  "$killed/bootstrap" --secrets "$killed/$path" >"$work/said" 2>&1 || status=$?
  [ $status = 64 ] && [ ! -e "$killed/$path" ] || fail "$path: it ends with $status and says: $(cat "$work/said")"
done

tron_api_key() {
  local compose service profile
  printf 'the-key-of-a-provider\n' >"$stack/secrets/tron_api_key"
  chmod 0444 "$stack/secrets/tron_api_key"
  for compose in new old; do
    for service in blockchain-ledger:layer1 lucid-node:single; do
      profile=${service#*:} service=${service%:*}
      COMPOSE_PROFILES=$profile $compose -f "$stack/tron-api-key.yaml" config -q 2>"$work/said" || fail "$compose config: $(cat "$work/said")"
      [ ! -s "$work/said" ] || fail "$compose config warns: $(cat "$work/said")"
      COMPOSE_PROFILES=$profile $compose -f "$stack/tron-api-key.yaml" run --rm --no-deps -T "$service" config check >"$work/said" 2>&1 ||
        fail "$compose: $service does not read the key: $(cat "$work/said")"
      # Which it does not where compose did not give it the file.
      ! COMPOSE_PROFILES=$profile $compose -f "$stack/tron-api-key.yaml" run --rm --no-deps -T -e LUCID_TRON_API_KEY=another \
        "$service" config check >"$work/said" 2>&1 || fail "$compose: $service takes the key from two places"
      grep -q 'LUCID_TRON_API_KEY and LUCID_TRON_API_KEY_FILE' "$work/said" || fail "it does not say which: $(cat "$work/said")"
    done
  done
  rm "$stack/secrets/tron_api_key"
  # The older one takes away what services of other profiles have, too.
  down old -v
}
