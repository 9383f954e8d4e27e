"""What browsers, proxies and libraries do with connections, ranges and caches; and REDbot."""

import http.client
import json
import random
import socket
import subprocess

from common import environment
from judging import Missing, judge


def connection(case):
    """A connection of Python's library, which stays open."""
    return http.client.HTTPConnection(case.server.host, case.server.port, timeout=30)


FILE = "/generic/demo/files/large.bin"


@judge("browsers: a video is opened, sought in and left")
def media(case):
    size, chance = len(case.large), random.Random(2)
    link = connection(case)
    link.request("GET", FILE, headers={"Range": "bytes=0-", "Accept-Encoding": "identity;q=1, *;q=0"})
    answer = link.getresponse()
    assert (answer.status, answer.getheader("Content-Range")) == (206, f"bytes 0-{size - 1}/{size}")
    assert answer.read(100_000) == case.large[:100_000]
    tag = answer.getheader("ETag")
    # Somebody seeks: the connection is dropped, and another one asks from there to the end.
    for _ in range(12):
        link.close()
        first = chance.randrange(size)
        link.request("GET", FILE, headers={"Range": f"bytes={first}-", "If-Range": tag})
        answer = link.getresponse()
        assert (answer.status, answer.getheader("Content-Range")) == (206, f"bytes {first}-{size - 1}/{size}")
        assert int(answer.getheader("Content-Length")) == size - first
        part = case.large[first : first + 70_000]
        assert answer.read(len(part)) == part
    # Safari asks for two bytes first; the index of a film is often at its end.
    link.close()
    for asked, part in (("bytes=0-1", case.large[:2]), ("bytes=-65536", case.large[-65536:])):
        link.request("GET", FILE, headers={"Range": asked})
        answer = link.getresponse()
        assert (answer.status, answer.read()) == (206, part)
    return "14 seeks"


@judge("http.client: 300 requests on one connection, of every kind")
def keep_alive(case):
    link, chance = connection(case), random.Random(3)
    size = len(case.large)
    link.connect()
    port = link.sock.getsockname()[1]
    tag = f'"{case.large_sha256()}"'
    for number in range(300):
        kind = number % 6
        first = chance.randrange(size - 5000)
        if kind == 0:
            link.request("GET", FILE, headers={"Range": f"bytes={first}-{first + 4999}"})
            wanted = (206, case.large[first : first + 5000])
        elif kind == 1:
            link.request("HEAD", FILE)
            wanted = (200, b"")
        elif kind == 2:
            link.request("GET", FILE, headers={"If-None-Match": tag})
            wanted = (304, b"")
        elif kind == 3:
            link.request("GET", FILE, headers={"Range": f"bytes={size}-"})
            wanted = (416, None)
        elif kind == 4:
            link.request("PUT", f"/generic/demo/files/kept/{number}", b"x" * number)
            wanted = (200, None)
        else:
            link.request("GET", f"/generic/demo/files/kept/{number - 1}")
            wanted = (200, b"x" * (number - 1))
        answer = link.getresponse()
        body = answer.read()
        assert answer.status == wanted[0], (number, answer.status, body[:200])
        assert wanted[1] is None or body == wanted[1], f"{number}: other bytes"
    assert link.sock.getsockname()[1] == port, "it was another connection"


class Reader:
    """Reads answers that came one behind the other."""

    def __init__(self, link):
        self.file = link.makefile("rb")

    def answer(self, method="GET"):
        """Status, headers and body of the next one; a 100 is passed over."""
        line = self.file.readline()
        assert line.startswith(b"HTTP/1."), line
        status, headers = int(line.split()[1]), {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if status == 100:
            return self.answer(method)
        if method == "HEAD" or status in (204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.file.readline(), 16):
                body += self.file.read(size)
                self.file.readline()
            self.file.readline()
            return status, headers, body
        return status, headers, self.file.read(int(headers["content-length"]))

    def ended(self):
        """Nothing more comes."""
        return self.file.read(1) == b""


def dial(case):
    """A bare connection, and what reads from it."""
    link = socket.create_connection((case.server.host, case.server.port), timeout=30)
    return link, Reader(link)


def said(method, target, *headers, body=b"", version="1.1"):
    """A request, byte for byte."""
    lines = [f"{method} {target} HTTP/{version}", "Host: test", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@judge("pipelining: many requests in one write are answered in order")
def pipelining(case):
    link, reader = dial(case)
    chance, requests, wanted = random.Random(4), [], []
    size = len(case.large)
    for number in range(120):
        first = chance.randrange(size - 3000)
        kind = number % 5
        if kind == 0:
            requests.append(said("HEAD", FILE))
            wanted.append(("HEAD", 200, b""))
        elif kind == 1:
            name = f"/generic/demo/files/piped/{number}"
            body = b"4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\nTrailer: t\r\n\r\n"
            requests.append(said("PUT", name, "Transfer-Encoding: chunked", body=body))
            wanted.append(("PUT", 200, None))
        elif kind == 2:
            requests.append(said("GET", f"/generic/demo/files/piped/{number - 1}"))
            wanted.append(("GET", 200, b"wikipedia"))
        elif kind == 3:
            requests.append(said("GET", "/generic/demo/files/none"))
            wanted.append(("GET", 404, None))
        else:
            requests.append(said("GET", FILE, f"Range: bytes={first}-{first + 2999}"))
            wanted.append(("GET", 206, case.large[first : first + 3000]))
    link.sendall(b"".join(requests))
    for number, (method, status, body) in enumerate(wanted):
        came = reader.answer(method)
        assert came[0] == status, (number, came)
        assert body is None or came[2] == body, f"{number}: other bytes"
    return f"{len(wanted)} requests"


@judge("connections: byte by byte, blank lines first, HTTP/1.0, absolute targets")
def odd_but_right(case):
    link, reader = dial(case)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in b"\r\n" + said("GET", FILE, "Range: bytes=10-19"):
        link.sendall(bytes([byte]))
    assert reader.answer()[::2] == (206, case.large[10:20])
    link.sendall(said("GET", f"http://elsewhere.example{FILE}", "Range: bytes=20-29"))
    assert reader.answer()[::2] == (206, case.large[20:30])
    link.sendall(said("GET", FILE, "Range: bytes=0-9", "Connection: close"))
    status, headers, body = reader.answer()
    assert (status, headers["connection"].lower(), body) == (206, "close", case.large[:10])
    assert reader.ended(), "it did not close"
    link, reader = dial(case)
    link.sendall(said("GET", FILE, "Range: bytes=0-9", "Connection: keep-alive", version="1.0"))
    assert reader.answer()[::2] == (206, case.large[:10])
    link.sendall(said("GET", FILE, "Range: bytes=0-9", version="1.0"))
    assert reader.answer()[::2] == (206, case.large[:10])
    assert reader.ended(), "it did not close"


@judge("connections: what could be read in two ways is refused (smuggling)")
def smuggling(case):
    hidden = said("PUT", "/generic/demo/files/smuggled", "Content-Length: 1", body=b"x")
    target = "/generic/demo/files/outer"
    ambiguous = {
        "two lengths": ["Content-Length: 5", "Content-Length: 6"],
        "a list of lengths": ["Content-Length: 5, 6"],
        "a length with a sign": ["Content-Length: +5"],
        "a negative length": ["Content-Length: -1"],
        "a length in hex": ["Content-Length: 0x5"],
        "chunked, but not last": ["Transfer-Encoding: chunked, identity"],
        "an unknown coding": ["Transfer-Encoding: xchunked"],
        "a blank before the colon": ["Content-Length : 5"],
        "a folded line": ["X-Folded: a", " Content-Length: 5"],
        "a bare line feed in a name": ["X-Bad\nContent-Length: 5"],
    }
    for why, headers in ambiguous.items():
        link, reader = dial(case)
        link.sendall(said("PUT", target, *headers, body=b"0\r\n\r\n" + hidden))
        status = reader.answer()[0]
        assert status in (400, 501), f"{why}: {status}"
        assert reader.ended(), f"{why}: it goes on"
    for why, body in {
        "a chunk that is too long": b"2\r\nabc\r\n0\r\n\r\n",
        "a size that is none": b"zz\r\nab\r\n0\r\n\r\n",
        "a size past all bounds": b"fffffffffffffffff\r\nab\r\n0\r\n\r\n",
        "a size with a sign": b"-1\r\nab\r\n0\r\n\r\n",
    }.items():
        link, reader = dial(case)
        link.sendall(said("PUT", target, "Transfer-Encoding: chunked", body=body + hidden))
        assert reader.answer()[0] == 400, why
        assert reader.ended(), f"{why}: it goes on"
    for name in ("outer", "smuggled"):
        link = connection(case)
        link.request("GET", f"/generic/demo/files/{name}")
        assert link.getresponse().status == 404, f"{name} is there"
    return f"{len(ambiguous) + 4} ways"


@judge("connections: chunked wins over a length, and ends there (RFC 9112, 6.3)")
def both_lengths(case):
    link, reader = dial(case)
    both = ["Content-Length: 3", "Transfer-Encoding: chunked"]
    link.sendall(said("PUT", "/generic/demo/files/both", *both, body=b"5\r\nhello\r\n0\r\n\r\n"))
    status = reader.answer()[0]
    if status == 400:
        return "refused"
    assert status == 200, status
    assert case.stored("both") == b"hello"
    return "chunked"


@judge("connections: an early refusal is heard, whatever is still being sent")
def early_refusal(case):
    case.put("taken", b"x")
    link, reader = dial(case)
    head = said("PUT", "/generic/demo/files/taken", f"Content-Length: {8 << 20}")
    link.sendall(head)
    link.sendall(b"y" * (8 << 20))
    status, _, body = reader.answer()
    assert (status, json.loads(body)["code"]) == (400, 251012)
    link, reader = dial(case)
    link.sendall(said("PUT", "/generic/demo/files/taken", "Expect: 100-continue", "Content-Length: 1000"))
    assert reader.answer()[0] == 400, "it waits for a body that nobody sends"


@judge("conditions: RFC 9110, 13.2.2, in every combination with an oracle")
def conditions(case):
    tag, other = f'"{case.large_sha256()}"', '"0123"'
    link = connection(case)
    link.request("HEAD", FILE)
    answer = link.getresponse()
    answer.read()
    modified, past = answer.getheader("Last-Modified"), "Sat, 01 Jan 2000 00:00:00 GMT"
    choices = {
        "If-Match": [None, tag, other, "*"],
        "If-Unmodified-Since": [None, modified, past],
        "If-None-Match": [None, tag, other, f"W/{tag}", "*"],
        "If-Modified-Since": [None, modified, past],
        "If-Range": [None, tag, other, modified, past],
    }
    asked = [{}]
    for name, values in choices.items():
        asked = [{**known, name: value} for known in asked for value in values]
    for values in asked:
        headers = {name: value for name, value in values.items() if value}
        link.request("GET", FILE, headers={**headers, "Range": "bytes=3-9"})
        answer = link.getresponse()
        wanted = oracle(values, tag, modified)
        # A whole file is not read, for there are hundreds.
        if answer.status == 200:
            link.close()
        elif answer.read() != case.large[3:10]:
            assert answer.status != 206, f"{headers}: other bytes"
        assert answer.status == wanted, f"{headers}: {answer.status}, not {wanted}"
    return f"{len(asked)} combinations"


def oracle(values, tag, modified):
    """The status of a range on these conditions, read off the steps of the RFC."""
    if values["If-Match"]:
        if values["If-Match"] not in (tag, "*"):
            return 412
    elif values["If-Unmodified-Since"] not in (None, modified):
        return 412
    if values["If-None-Match"]:
        if values["If-None-Match"] in (tag, f"W/{tag}", "*"):
            return 304
    elif values["If-Modified-Since"] == modified:
        return 304
    return 206 if values["If-Range"] in (None, tag, modified) else 200


@judge("REDbot: files, parts, lists, refusals and probes")
def redbot(case):
    programs = environment()
    if programs is None or not (programs / "redbot").exists():
        raise Missing("REDbot cannot be installed")
    case.put("page.txt", b"some text, again and again\n" * 4000)
    targets = [
        "/generic/demo/files/large.bin",
        "/generic/demo/files/page.txt",
        "/generic/demo/files/missing",
        "/repository/api/project/list",
        "/api/v2/software-packages",
        "/packhold/openapi.json",
        "/healthz",
    ]
    notes = 0
    for target in targets:
        command = [programs / "redbot", "-o", "har", case.server.url + target]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()[-300:]
        found = [note for entry in json.loads(done.stdout)["log"]["entries"] for note in entry["_red_messages"]]
        assert found, f"{target}: it says nothing"
        notes += len(found)
        faults = [note["summary"] for note in found if note["level"] in ("BAD", "WARN")]
        assert not faults, f"{target}: {faults}"
    return f"{notes} notes on {len(targets)} resources, none a warning"
