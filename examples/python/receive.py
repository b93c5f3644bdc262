"""Receives a channel, with nothing but Python's standard library, and goes on where it stopped.

    python3 receive.py news                      prints: offset, payload as JSON
    python3 receive.py news my.cursor            keeps its cursor in that file

The cursor is that of the last publication printed. It may go on over any other transport, or in another program.
"""

import json
import os
import sys
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

BASE = os.environ.get("FANFARE_URL", "http://127.0.0.1:8000")
# The server sends a line every 15 s at most; who hears nothing for longer has lost it.
SILENCE = 40


def load(path):
    """The cursor of the last time; the first time, all that the channel keeps."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() or "earliest"
    except FileNotFoundError:
        return "earliest"


def save(path, cursor):
    """Replaces the file, so that there is never half a cursor in it."""
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(cursor)
    os.replace(path + ".new", path)


def messages(channel, since):
    """The lines of one answer as objects, as they come, until the answer ends or is cut."""
    url = f"{BASE}/channels/{quote(channel)}?{urlencode({'since': since})}"
    with urlopen(Request(url, headers={"Accept": "application/x-ndjson"}), timeout=SILENCE) as answer:
        for line in answer:
            # The last line of a cut answer may be half a line.
            if line.endswith(b"\n"):
                yield json.loads(line)


def follow(channel, path):
    """One connection: prints what comes, and gives the seconds to wait before the next one."""
    for message in messages(channel, load(path)):
        if "gap" in message:
            # Some of what followed the cursor is not there any more: the message says why, and how many where that is known.
            print("gap", json.dumps(message["gap"]), file=sys.stderr)
        elif "error" in message:
            return message["error"].get("after", 1000) / 1000
        elif "offset" in message:
            print(message["offset"], json.dumps(message["data"]), flush=True)
        # First printed, then noted: who is killed in between prints one again, and never misses one.
        if "cursor" in message:
            save(path, message["cursor"])
    return 0.5


def main(channel, path):
    while True:
        pause = 0.5
        try:
            pause = follow(channel, path)
        except HTTPError as error:
            if error.code not in (429, 503):
                sys.exit(f"refused: {error.read().decode()}")
            pause = float(error.headers.get("Retry-After", 1))
        except (OSError, HTTPException) as error:
            print(f"again: {error}", file=sys.stderr)
        time.sleep(pause)


if len(sys.argv) not in (2, 3):
    sys.exit("usage: receive.py CHANNEL [CURSOR-FILE]")
try:
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else sys.argv[1].replace("/", "-") + ".cursor")
except KeyboardInterrupt:
    pass
