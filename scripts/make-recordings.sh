#!/usr/bin/env bash
# Makes 21 recordings of real speech for the demo, named as six recorders name theirs: 8 kHz WAV, 16-bit PCM and mu-law,
# the last of 50 MB. The calls are yesterday's. All numbers are from the UK ranges kept free for drama.
#   scripts/make-recordings.sh OUTDIR
set -euo pipefail

out=${1:?usage: scripts/make-recordings.sh OUTDIR}
prompts=/usr/share/asterisk/sounds/en_US_f_Allison # a person's voice, 8 kHz
call=$(($(date +%s) / 86400 * 86400 - 52200))      # yesterday, 09:30 UTC
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

voices=(f2 m3 f4 m7 f5)
lines=(
  "Good morning, accounts department. How can I help you?"
  "I am calling about the invoice that came last week. It does not match our order."
  "Let me look that up. Could you give me the reference, please?"
  "The delivery was due on Tuesday, and nobody has come yet."
  "I can offer you a new appointment on Thursday between nine and eleven."
  "That would suit us well. Could you confirm it by e-mail?"
  "I would like to report a fault on our line. It drops every few minutes."
  "Our engineer will call you back within two hours."
)

# One recording: it says its own number, in its own voice and speed, so that no two are alike. Its file is as old as the call.
made=0
recording() { # ENCODING NAME
  local spoken="Call number $((made + 1)). " i
  for i in 0 1 2; do spoken+="${lines[(made * 3 + i + made / 8) % ${#lines[@]}]} "; done
  espeak-ng -v "en-gb+${voices[made % ${#voices[@]}]}" -s $((140 + made * 3)) -w "$work/speech.wav" "$spoken"
  finish "$1" "$2" "$work/speech.wav"
}
finish() { # ENCODING NAME SOX-INPUT...
  local encoding=$1 file=$out/$2
  shift 2
  mkdir -p "$(dirname "$file")"
  sox -V1 -G "$@" -r 8000 -c 1 -e "$encoding" "$file"
  touch -d "@$((call + 300))" "$file"
  made=$((made + 1)) call=$((call + 900))
}
stamp() { LC_ALL=C date -d "@$call" "+$1"; }

pcm=signed-integer mulaw=mu-law
day=$(stamp %Y/%m/%d)

# FreePBX: type, destination, caller, local date and time, start in seconds
freepbx() { echo "freepbx/$day/$1-$(stamp %Y%m%d-%H%M%S)-$call.$((1042 + made)).wav"; }
recording $pcm "$(freepbx in-02079460123-07700900456)"
recording $mulaw "$(freepbx out-07700900789-201)"
recording $pcm "$(freepbx internal-202-201)"
recording $mulaw "$(freepbx q-600-01214960999)"
recording $pcm "$(freepbx rg-610-unknown)"
recording $mulaw "$(freepbx 8000-8000-always)" # a conference
recording $pcm "$(freepbx in-020-7946-0123-07700-900456)" # dashes in the numbers

# Asterisk: queue, one-touch, conference
recording $mulaw "asterisk/$call.1042.wav"
recording $pcm "asterisk/pbx1-$call.1050.wav"
recording $mulaw "asterisk/auto-$call-07700900321-01614960555.wav"
recording $pcm "asterisk/confbridge-sales-$call.wav"

# FusionPBX: domain, English month, a random id
fusionpbx=fusionpbx/acme.example.co.uk/archive/$(stamp %Y/%b/%d)
recording $pcm "$fusionpbx/0b9d7c3e-5a41-4b7e-9d0f-2f4e6a8c1d23.wav"
recording $mulaw "$fusionpbx/$(stamp "02079460123-07700900456_%Y-%m-%d %H:%M.wav")"

# FreeSWITCH: one-touch, call centre, conference
recording $pcm "freeswitch/$(stamp 07700900456.%Y-%m-%d-%H-%M-%S.wav)"
recording $mulaw "freeswitch/$(stamp %Y-%m-%d-%H-%M-%S).600.07700900654.7c304780-5ea5-4ca6-b538-c4d610c46b84.wav"
recording $pcm "freeswitch/$(stamp 3000-lon1_%Y-%m-%d-%H-%M-%S.wav)"

# Oreka, with and without a collision
recording $mulaw "oreka/$(stamp %Y/%m/%d/%H/%Y%m%d_%H%M%S)_AAQK.wav"
recording $pcm "oreka/$(stamp %Y/%m/%d/%H/%Y%m%d_%H%M%S_AAQL-%Y%m%d%H%M%S)_00123.wav"

# rtpengine: the call's id, one file for both sides
recording $pcm "rtpengine/a84b4c76e66710%40pbx.example.co.uk-0f3c9d12ab45ef67-mix.wav"
recording $mulaw "rtpengine/VkQrBaNWkx-8327f1aa02d8c8ae-mix.wav"

# A long one: every prompt, said until 50 MB are full
sox -V1 "$prompts"/*.wav "$work/long.wav" repeat 2 trim 0 3276.8
finish $pcm "$(freepbx in-01614960111-07700900987)" "$work/long.wav"
