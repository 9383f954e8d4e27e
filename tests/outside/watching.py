"""What watches the server: the checks of Prometheus, of what it says and of the rules that come with it."""

import subprocess
import urllib.request

from common import ROOT, unpacked
from judging import Missing, judge, ran


def promtool():
    """The program; installing the package would start a service."""
    found = unpacked("prometheus", "usr/bin/promtool")
    if found is None:
        raise Missing("promtool cannot be had")
    return found


@judge("promtool: the metrics, after every kind of request that is asked here")
def metrics(case):
    case.put("watched", b"watched")
    case.stored("watched")
    case.server.ask("POST", "/packhold/gc", b"")
    with urllib.request.urlopen(f"{case.server.url}/metrics", timeout=60) as answer:
        said = answer.read()
    assert said.count(b"# TYPE ") > 20, "few metrics"
    checked = subprocess.run([promtool(), "check", "metrics"], input=said, capture_output=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
    assert checked.stderr == b"", checked.stderr.decode()


@judge("promtool: the rules of the alerts")
def alerts(_case):
    said = ran(promtool(), "check", "rules", ROOT / "dist" / "alerts.yml").decode()
    assert "SUCCESS" in said, said
    return said.strip().splitlines()[-1].strip()
