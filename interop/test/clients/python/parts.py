"""parts.py URL COUNT: reads a multipart answer until it has so many parts, ends it, and has the parser of email take it to pieces.

Prints each part: its fields of Fanfare's, its type, and its payload as base64.
"""

import base64
import http.client
import json
import sys
from email.parser import BytesParser
from urllib.parse import urlsplit

url, count = urlsplit(sys.argv[1]), int(sys.argv[2])
connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
connection.request("GET", f"{url.path}?{url.query}", headers={"Accept": "multipart/mixed"})
answer = connection.getresponse()
delimiter = b"--" + answer.headers.get_boundary().encode()
body = b""
# The delimiter behind a part is sent with it.
while body.count(delimiter) <= count:
    body += answer.read1(65536)
connection.close()
body = body[: body.rindex(delimiter)] + delimiter + b"--\r\n"

message = BytesParser().parsebytes(b"Content-Type: " + answer.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
if message.defects or not message.is_multipart():
    sys.exit(f"defects: {message.defects}")
for part in message.get_payload():
    print(
        json.dumps(
            {
                "type": part.get_content_type(),
                "offset": part["Fanfare-Offset"],
                "cursor": part["Fanfare-Cursor"],
                "payload": base64.b64encode(part.get_payload(decode=True)).decode(),
            }
        )
    )
