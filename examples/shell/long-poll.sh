#!/bin/sh
# Receives a channel with curl and long polls, and goes on where it stopped: sh long-poll.sh news [CURSOR]
# Prints the answers that bring something, one JSON object a line. Begins with what the channel keeps.
channel=${1:?usage: long-poll.sh CHANNEL [CURSOR]}
cursor=${2:-earliest}
url=${FANFARE_URL:-http://127.0.0.1:8000}/channels/$channel

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

while :; do
  # Held for 25 s at most; one that isn't answered long after that is lost.
  status=$(curl -sS -m 60 -D "$folder/header" -o "$folder/answer" -w '%{http_code}' "$url?wait=25&since=$cursor")
  # A cut answer has its status too: curl's exit code tells.
  if [ $? -ne 0 ]; then
    sleep 1
    continue
  fi
  case $status in
    200)
      case $(head -c 200 "$folder/answer") in
        *'"publications":[],'*'"gaps":[]'*) ;;
        *) cat "$folder/answer" && echo ;;
      esac
      # The next poll asks for what comes after this answer.
      cursor=$(tr -d '\r' < "$folder/header" | awk 'tolower($1) == "fanfare-cursor:" { print $2 }')
      ;;
    429 | 503) sleep 1 ;;
    *)
      cat "$folder/answer" >&2
      exit 1
      ;;
  esac
done
