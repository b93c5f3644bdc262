"""receive.py URL SINCE TRANSPORT: prints what comes, a JSON object a line; connects again with the last cursor.

Nothing but Python's standard library: http.client, urllib and the parser of email.
"""

import http.client
import json
import sys
import time
from email.parser import BytesHeaderParser
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

URL, SINCE, TRANSPORT = sys.argv[1:]
ADDRESS = urlsplit(URL)
QUIET = 40


def take(cursor, data, offset=None):
    line = {"cursor": cursor, "data": data} | ({} if offset is None else {"offset": int(offset)})
    print(json.dumps(line), flush=True)
    return cursor


def stream(since):
    """urllib: an answer is a file of lines."""
    request = Request(f"{URL}?since={since}", headers={"Accept": "application/x-ndjson"})
    with urlopen(request, timeout=QUIET) as answer:
        for line in answer:
            if not line.endswith(b"\n"):
                return
            message = json.loads(line)
            if "offset" in message:
                take(message["cursor"], message["data"], message["offset"])
            elif message.get("error", {}).get("retry"):
                return
            elif "cursor" not in message:
                sys.exit(line.decode())
            yield message["cursor"]


class ComeAgain(http.client.HTTPException):
    """The server is busy or goes down."""


def check(status, body):
    if status in (429, 503):
        raise ComeAgain(body)
    if status != 200:
        sys.exit(f"{status} {body.decode()}")


def opened(since, accept, query=""):
    connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=QUIET)
    connection.request("GET", f"{ADDRESS.path}?since={since}{query}", headers={"Accept": accept})
    answer = connection.getresponse()
    if answer.status != 200:
        check(answer.status, answer.read())
    return connection, answer


def events(since):
    connection, answer = opened(since, "text/event-stream")
    cursor, ready, data = None, False, []
    while line := answer.readline():
        if not line.endswith(b"\n"):
            break
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "id":
            cursor = value
        elif field == "event":
            if value != "fanfare.ready":
                sys.exit(f"an event {value}")
            ready = True
        elif field == "data":
            data.append(value)
        elif field == "" and value == "":
            if data and not ready:
                take(cursor, json.loads("\n".join(data)))
            ready, data = False, []
            if cursor is not None:
                yield cursor
    connection.close()


def parts(since):
    connection, answer = opened(since, "multipart/mixed")
    boundary = answer.headers.get_boundary().encode()
    if answer.readline() != b"--" + boundary + b"\r\n":
        sys.exit("it doesn't begin with its boundary")
    while True:
        head = b""
        while (line := answer.readline()) not in (b"\r\n", b""):
            head += line
        fields = BytesHeaderParser().parsebytes(head + b"\r\n")
        if "Content-Length" not in fields:
            break
        body = answer.read(int(fields["Content-Length"]))
        if fields["Fanfare-Error"] == "draining":
            break
        if "Fanfare-Offset" in fields:
            take(fields["Fanfare-Cursor"], json.loads(body), fields["Fanfare-Offset"])
        yield fields["Fanfare-Cursor"]
        if (answer.readline(), answer.readline()) != (b"\r\n", b"--" + boundary + b"\r\n"):
            break
    connection.close()


def long_polls(since):
    """One connection for all polls, kept alive."""
    connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=QUIET)
    while True:
        connection.request("GET", f"{ADDRESS.path}?since={since}", headers={"Prefer": "wait=20"})
        answer = connection.getresponse()
        body = answer.read()
        check(answer.status, body)
        for one in json.loads(body)["publications"]:
            take(one["cursor"], one["data"], one["offset"])
        since = answer.headers["Fanfare-Cursor"]
        yield since


ways = {"stream": stream, "sse": events, "multipart": parts, "long-poll": long_polls}
place = SINCE
while True:
    try:
        for place in ways[TRANSPORT](place):
            pass
    except HTTPError as error:
        if error.code != 503:
            sys.exit(f"{error.code} {error.read().decode()}")
    except (OSError, http.client.HTTPException):
        pass
    time.sleep(0.1)
