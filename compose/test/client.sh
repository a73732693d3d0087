# A client of the stack: signs in, uploads in pieces, goes on where an upload broke off. Sourced, after lib.sh.
# shellcheck shell=bash
# `binary` is lucid-node, `api` the gateway's API, as it is seen from where the engine's ports are.

json='Content-Type: application/json'
binary=${binary:?} api=http://127.0.0.1:8080/api/v1
# A refusal is passed on as no answer; an answer that does not come is not waited for.
ask() { inside curl -sf --max-time 60 "$@"; }

field() { sed -n "s/.*\"$1\":\"\\([^\"]*\\)\".*/\\1/p"; }

sign_in() {  # sets auth, for a wallet in $work/wallet.key
  local token
  [ -e "$work/wallet.key" ] || "$binary" auth new --key "$work/wallet.key" >/dev/null || return 1
  # Where it is asked again and again, errexit is off: nothing of before may pass for an answer.
  rm -f "$work/tokens.json"
  ask "$api/auth/challenge" -H "$json" -d "{\"address\":\"$("$binary" auth address --key "$work/wallet.key")\"}" |
    "$binary" auth sign --key "$work/wallet.key" |
    ask "$api/auth/login" -H "$json" -d @- -o "$work/tokens.json" || return 1
  token=$(field access_token <"$work/tokens.json") && [ -n "$token" ] || return 1
  auth="Authorization: Bearer $token"
}

mint() { ask "$api/sessions" -H "$auth" -H "$json" -d '{"media_type":"application/octet-stream"}' | field session_id; }

offset() {  # of a session's upload
  inside curl -sf --max-time 20 -I "$api/sessions/$1/upload" -H "$auth" -H 'Tus-Resumable: 1.0.0' |
    tr -d '\r' | sed -n 's/^[Uu]pload-[Oo]ffset: //p'
}

piece() {  # SESSION FILE FROM BYTES: sends one, and is well only if all of it is acknowledged
  local at
  # A body from a pipe has no length that is known; curl reads it into memory first.
  at=$(tail -c +$(($3 + 1)) "$2" | head -c "$4" | inside curl -sf --max-time 60 -o /dev/null -D - \
    "$api/sessions/$1/upload" -X PATCH -H "$auth" -H 'Tus-Resumable: 1.0.0' -H "Upload-Offset: $3" \
    -H 'Content-Type: application/offset+octet-stream' --data-binary @- |
    tr -d '\r' | sed -n 's/^[Uu]pload-[Oo]ffset: //p')
  [ "${at:-0}" = $(($3 + $4)) ]
}

# Uploads a file in pieces, however often that breaks off: upload SESSION FILE PIECE_BYTES. What was acknowledged
# never goes back.
upload() {
  local session=$1 file=$2 bytes=$3 size at=0 said begun=$SECONDS length
  size=$(stat -c %s "$file")
  while [ "$at" -lt "$size" ]; do
    length=$((size - at < bytes ? size - at : bytes))
    if piece "$session" "$file" "$at" "$length"; then
      at=$((at + length))
      echo "$at" >"$work/acknowledged"
      # Not done before all that it is to live through has happened.
      [ ! -e "$work/slowly" ] || sleep 0.3
      continue
    fi
    broken=$((${broken:-0} + 1))
    [ $((SECONDS - begun)) -lt 180 ] || fail "the upload of $session hangs at $at of $size"
    sleep 0.5
    said=$(offset "$session" || true)
    [ -n "$said" ] || continue
    [ "$said" -ge "$at" ] || fail "$session was acknowledged up to $at, and now has $said: bytes are lost"
    at=$said
  done
}

retry() {  # SECONDS COMMAND...: until it is well
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.5
  done
}

seal() { ask "$api/sessions/$1/seal" -H "$auth" -X POST -o "$work/sealed.json"; }

# That a sealed session is whole: its content is the file's, and its evidence verifies.
whole() {
  local session=$1 file=$2
  [ "$(ask "$api/sessions/$session/content" -H "$auth" | sha256sum)" = "$(sha256sum <"$file")" ] || return 1
  ask "$api/sessions/$session/proof" -H "$auth" -o "$work/$session.lucid-proof" &&
    "$binary" verify "$work/$session.lucid-proof" >/dev/null
}
