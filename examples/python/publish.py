"""Publishes to a channel, with nothing but Python's standard library.

    python3 publish.py news 'hello'              one publication
    seq 1 1000 | python3 publish.py numbers      each line of stdin is one

A request without an answer is sent again with the same Idempotency-Key, and the server stores it once.
"""

import json
import os
import sys
import time
import uuid
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

BASE = os.environ.get("FANFARE_URL", "http://127.0.0.1:8000")
# Keys are known for 5 minutes: who gives up before never doubles anything.
PAUSES = (0.2, 0.5, 1, 2, 4, 8, 16, 30)


def send(path, body, content_type):
    """Posts the body, as often as it takes to get an answer; gives the answer's JSON."""
    headers = {"Content-Type": content_type, "Idempotency-Key": str(uuid.uuid4())}
    for pause in PAUSES:
        try:
            with urlopen(Request(BASE + path, body, headers), timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            # What is wrong with the request stays wrong; a server that is busy or goes down says 429 or 503.
            problem = error.read().decode()
            if error.code not in (429, 503):
                sys.exit(f"refused: {problem}")
        except (OSError, HTTPException, ValueError) as error:
            # No answer, or half of one: nobody knows whether it was stored, and that is what the key is for.
            problem = error
        print(f"again in {pause} s: {problem}", file=sys.stderr)
        time.sleep(pause)
    sys.exit("gave up")


def batches(stream):
    """What has come by now is a batch: a slow source is published line by line, a fast one by the thousand."""
    rest = b""
    while chunk := stream.read1(8192):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def publish_lines(channel, stream):
    for lines in batches(stream):
        items = [{"channel": channel, "data": line.decode(errors="replace"), "type": "text/plain"} for line in lines]
        # atomic=1: all of them or none, one after the other in the log.
        answers = send("/publish?atomic=1", json.dumps(items).encode(), "application/json")
        print(f"offsets {answers[0]['offset']} to {answers[-1]['offset']}")


if len(sys.argv) == 3:
    print(send("/channels/" + quote(sys.argv[1]), sys.argv[2].encode(), "text/plain; charset=utf-8"))
elif len(sys.argv) == 2:
    publish_lines(sys.argv[1], sys.stdin.buffer)
else:
    sys.exit("usage: publish.py CHANNEL [MESSAGE]")
