"""Downloaders and uploaders: curl, wget, aria2, and the fetch of Node.js."""

import pathlib
import random
import signal
import subprocess
import time

from common import program
from judging import Missing, have, judge, ran

# How slow what is to be killed in the middle goes, in bytes a second.
SLOW = str(4 << 20)


def curl(*words, status=0, **options):
    """Runs curl; gives the statuses that it heard."""
    words = (have("curl"), "--silent", "--show-error", "--write-out", "%{stderr}%{http_code} ", *words)
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=120, check=False, **options)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == status, f"exit status {done.returncode}: {said.strip()[-300:]}"
    return said.split()


def killed(path, enough, *command):
    """Kills a command as soon as it has written so many bytes to a file."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    path = pathlib.Path(path)
    until = time.monotonic() + 60
    while not path.exists() or path.stat().st_blocks * 512 < enough:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until, "it wrote nothing"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(60)


@judge("curl: whole, over HTTP/1.0, 1.1 and 2")
def curl_whole(case):
    for version in ("--http1.0", "--http1.1", "--http2-prior-knowledge"):
        out = case.path("out")
        assert curl(version, "-o", out, case.url()) == ["200"], version
        case.same(out, case.large)


@judge("curl: -r, one range of every kind, over HTTP/1.1 and 2")
def curl_ranges(case):
    size, chance = len(case.large), random.Random(1)
    asked = [(0, 0), (0, 99), (size - 1, size - 1), (size - 10, size + 10), (1, size - 1)]
    for _ in range(12):
        first = chance.randrange(size)
        asked.append((first, min(size - 1, first + chance.randrange(1 << 20))))
    out = case.path("out")
    for version in ("--http1.1", "--http2-prior-knowledge"):
        for first, last in asked:
            assert curl(version, "-r", f"{first}-{last}", "-o", out, case.url()) == ["206"]
            case.same(out, case.large[first : last + 1])
        for spec, part in ((f"{size // 2}-", case.large[size // 2 :]), ("-777", case.large[-777:])):
            assert curl(version, "-r", spec, "-o", out, case.url()) == ["206"]
            case.same(out, part)
    return f"{2 * (len(asked) + 2)} ranges"


@judge("curl: several ranges at once are refused, not mixed up")
def curl_several(case):
    out = case.path("out")
    assert curl("-r", "0-9,100-109", "-D", case.path("head"), "-o", out, case.url()) == ["416"]
    head = case.path("head").read_text().lower()
    assert f"content-range: bytes */{len(case.large)}" in head, head
    return "416, as described"


@judge("curl: -C - continues, and knows what is whole")
def curl_resume(case):
    for have_bytes in (1, 4096, 1_000_003, len(case.large) - 1, len(case.large)):
        out = case.written("out", case.large[:have_bytes])
        wanted = "206" if have_bytes < len(case.large) else "416"
        assert curl("-C", "-", "-o", out, case.url()) == [wanted]
        case.same(out, case.large)


@judge("curl: killed in the middle, twice, and continued")
def curl_killed(case):
    out = case.path("out")
    for enough in (1 << 20, 4 << 20):
        killed(out, enough, have("curl"), "-s", "--limit-rate", SLOW, "-C", "-", "-o", out, case.url())
    left = out.stat().st_size
    assert 0 < left < len(case.large), left
    curl("-C", "-", "-o", out, case.url())
    case.same(out, case.large)


@judge("curl: --parallel, sixteen segments, over HTTP/1.1 and 2")
def curl_segments(case):
    size = len(case.large)
    for version in ("--http1.1", "--http2-prior-knowledge"):
        # Over one connection that is known to be HTTP/2, curl 7.88 fails by itself: `node_segments` does that.
        words, parts = [version, "--parallel", "--parallel-immediate", "--parallel-max", "16"], []
        for number in range(16):
            first, last = size * number // 16, size * (number + 1) // 16 - 1
            parts.append(case.path(f"part{number}"))
            words += ["--next"] if number else []
            words += ["-s", version, "-r", f"{first}-{last}", "-o", parts[-1], case.url()]
        curl(*words)
        whole = b"".join(part.read_bytes() for part in parts)
        assert whole == case.large, f"{version}: other bytes"


@judge("curl: --etag-save, --etag-compare")
def curl_etag(case):
    out, tag = case.path("out"), case.path("tag")
    case.put("etag.bin", b"first")
    url = case.url("etag.bin")
    assert curl("--etag-save", tag, "-o", out, url) == ["200"]
    assert curl("--etag-compare", tag, "-o", out, url) == ["304"]
    case.put("etag.bin", b"the second")
    assert curl("--etag-compare", tag, "--etag-save", tag, "-o", out, url) == ["200"]
    case.same(out, b"the second")


@judge("curl: -z, If-Modified-Since and If-Unmodified-Since")
def curl_since(case):
    out = case.path("out")
    assert curl("-R", "-o", out, case.url()) == ["200"]
    assert curl("-z", out, "-o", case.path("other"), case.url()) == ["304"]
    assert curl("-z", f"-{time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(0))}", "-o", out, case.url()) == ["412"]
    assert curl("-z", "Sat, 01 Jan 2000 00:00:00 GMT", "-o", out, case.url()) == ["200"]
    case.same(out, case.large)


@judge("curl: a range of what was replaced meanwhile (If-Range)")
def curl_if_range(case):
    out, tag, url = case.path("out"), case.path("tag"), case.url("replaced.bin")
    first, second = b"a" * 10_000, b"b" * 20_000
    case.put("replaced.bin", first)
    curl("--etag-save", tag, "-o", out, url)
    if_range = f"If-Range: {tag.read_text().strip()}"
    assert curl("-r", "5000-", "-H", if_range, "-o", out, url) == ["206"]
    case.same(out, first[5000:])
    case.put("replaced.bin", second)
    assert curl("-r", "5000-", "-H", if_range, "-o", out, url) == ["200"]
    case.same(out, second)


@judge("curl: -T, with Expect: 100-continue, over HTTP/1.0, 1.1 and 2")
def curl_upload(case):
    source = case.written("in", case.large)
    for number, version in enumerate(("--http1.0", "--http1.1", "--http2-prior-knowledge")):
        name = f"put{number}.bin"
        heard = curl(version, "-v", "-H", "Expect: 100-continue", "-T", source, "-o", case.path("o"), case.url(name))
        assert heard[-1] == "200", heard
        if version == "--http1.1":
            assert "100" in heard, "100 Continue was not heard"
        assert case.stored(name) == case.large, f"{version}: other bytes"


@judge("curl: -T -, a stream of unknown length, over HTTP/1.1 and 2")
def curl_stream(case):
    for number, version in enumerate(("--http1.1", "--http2-prior-knowledge")):
        name = f"stream{number}.bin"
        assert curl(version, "-T", "-", "-o", case.path("o"), case.url(name), input=case.large)[-1] == "200"
        assert case.stored(name) == case.large, f"{version}: other bytes"


@judge("curl: an upload that is refused, and one that is killed, leave nothing")
def curl_refused(case):
    source = case.written("in", case.large)
    wrong = "X-BKREPO-SHA256: " + "0" * 64
    assert curl("-H", wrong, "-T", source, "-o", case.path("o"), case.url("refused.bin"))[-1] == "400"
    assert curl("-T", source, "-o", case.path("o"), case.url())[-1] == "400", "it is there already"
    process = subprocess.Popen(
        [have("curl"), "-s", "--limit-rate", SLOW, "-T", str(source), case.url("killed.bin")],
        stdout=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    process.kill()
    process.wait(60)
    for name in ("refused.bin", "killed.bin"):
        assert curl("-o", case.path("o"), case.url(name)) == ["404"], name


@judge("wget: -c, killed in the middle and continued")
def wget_resume(case):
    wget, out = have("wget"), case.path("out")
    killed(out, 2 << 20, wget, "-q", f"--limit-rate={SLOW}", "-O", out, case.url())
    assert 0 < out.stat().st_size < len(case.large)
    case.path("large.bin").write_bytes(out.read_bytes())
    ran(wget, "-q", "-c", case.url(), cwd=case.folder)
    case.same(case.path("large.bin"), case.large)
    # Once more, of what is whole.
    ran(wget, "-q", "-c", case.url(), cwd=case.folder)
    case.same(case.path("large.bin"), case.large)


@judge("wget: -N fetches what changed, and nothing else")
def wget_newer(case):
    wget = have("wget")
    case.put("newer.bin", b"first")
    ran(wget, "-q", "-N", case.url("newer.bin"), cwd=case.folder)
    case.same(case.path("newer.bin"), b"first")
    case.written("newer.bin", b"FIRST")
    ran(wget, "-q", "-N", case.url("newer.bin"), cwd=case.folder)
    case.same(case.path("newer.bin"), b"FIRST")
    case.put("newer.bin", b"the second")
    # What it compares with is when the file was changed, in whole seconds.
    ran("touch", "-d", "@1", case.path("newer.bin"))
    ran(wget, "-q", "-N", case.url("newer.bin"), cwd=case.folder)
    case.same(case.path("newer.bin"), b"the second")


@judge("wget: --start-pos, and --post-file where only PUT goes")
def wget_rest(case):
    wget, out = have("wget"), case.path("out")
    ran(wget, "-q", "--start-pos=1000000", "-O", out, case.url())
    case.same(out, case.large[1_000_000:])
    source = case.written("in", case.large)
    ran(wget, "-q", "--method=PUT", f"--body-file={source}", "-O", out, case.url("wget.bin"))
    assert case.stored("wget.bin") == case.large
    ran(wget, "-q", f"--post-file={source}", "-O", out, case.url("wget.bin"), status=8)


def aria2(case, *words):
    """A command of aria2 in sixteen segments."""
    command = [have("aria2c"), "--quiet", "--no-conf", "-x", "16", "-s", "16", "-k", "1M", "--file-allocation=none"]
    return command + ["-d", case.folder, "-o", "out", *words, case.url()]


@judge("aria2: sixteen segments, --checksum")
def aria2_segments(case):
    ran(*aria2(case, f"--checksum=sha-256={case.large_sha256()}"))
    case.same(case.path("out"), case.large)


@judge("aria2: killed in the middle and continued, --checksum")
def aria2_killed(case):
    slow = aria2(case, f"--max-overall-download-limit={SLOW}", "--auto-save-interval=1")
    killed(case.path("out"), 6 << 20, *slow)
    ran(*aria2(case, "-c", f"--checksum=sha-256={case.large_sha256()}"))
    case.same(case.path("out"), case.large)


@judge("aria2: --conditional-get")
def aria2_conditional(case):
    same = ["--conditional-get=true", "--allow-overwrite=true", "--remote-time=true"]
    ran(*aria2(case, *same))
    before = case.path("out").stat().st_ino
    ran(*aria2(case, *same))
    case.same(case.path("out"), case.large)
    assert case.path("out").stat().st_ino == before


def node():
    """Node.js with fetch."""
    found = program("node")
    if found is None or ran(found, "-p", "typeof fetch").strip() != b"function":
        raise Missing("a Node.js that has fetch cannot be had")
    return found


FETCH = """
const url = process.argv[1], fs = require('fs');
(async () => {
  const stop = new AbortController();
  const first = await fetch(url, {signal: stop.signal});
  const tag = first.headers.get('etag'), parts = [];
  let got = 0;
  try {
    for await (const part of first.body) {
      parts.push(part);
      got += part.length;
      if (got > 1000000) stop.abort();
    }
  } catch (error) { if (error.name !== 'AbortError') throw error; }
  const rest = await fetch(url, {headers: {range: `bytes=${got}-`, 'if-range': tag}});
  if (rest.status !== 206) throw new Error(`status ${rest.status}`);
  for await (const part of rest.body) parts.push(part);
  fs.writeFileSync(process.argv[2], Buffer.concat(parts));
  const body = fs.createReadStream(process.argv[2]);
  const put = await fetch(process.argv[3], {method: 'PUT', body, duplex: 'half'});
  if (put.status !== 200) throw new Error(`status ${put.status} of PUT`);
})().catch(error => { console.error(error); process.exit(1); });
"""


@judge("Node.js: fetch, aborted and continued; a stream uploaded")
def node_fetch(case):
    out = case.path("out")
    ran(node(), "-e", FETCH, case.url(), out, case.url("node.bin"))
    case.same(out, case.large)
    assert case.stored("node.bin") == case.large


SEGMENTS = """
const http2 = require('http2'), fs = require('fs');
const [origin, path, size, to] = process.argv.slice(1);
const link = http2.connect(origin), parts = [];
let left = 16;
for (let number = 0; number < 16; number++) {
  const first = Math.floor(size * number / 16), last = Math.floor(size * (number + 1) / 16) - 1;
  const stream = link.request({':path': path, range: `bytes=${first}-${last}`});
  const got = [];
  stream.on('response', head => { if (head[':status'] !== 206) throw new Error(head[':status']); });
  stream.on('data', part => got.push(part));
  stream.on('end', () => {
    parts[number] = Buffer.concat(got);
    if (--left === 0) { fs.writeFileSync(to, Buffer.concat(parts)); link.close(); }
  });
  stream.end();
}
"""


@judge("Node.js: sixteen segments at once on one HTTP/2 connection")
def node_segments(case):
    path, out = case.url().removeprefix(case.server.url), case.path("out")
    ran(node(), "-e", SEGMENTS, case.server.url, path, len(case.large), out)
    case.same(out, case.large)
