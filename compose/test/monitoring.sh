# Prometheus beside the stack: it takes what every service measures, and the dashboard asks it for what is there. Sourced by
# stack, while sessions were taken in.
# shellcheck shell=bash

# What is counted when something is refused has a number from then on.
[ "$(inside curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer nobody' http://127.0.0.1:8080/api/v1/sessions)" = 401 ] ||
  fail "a token that is none is not refused"
export STACK_PROMETHEUS_IMAGE=localhost/prometheus:latest
COMPOSE_PROFILES=layer1,monitoring new up -d --no-deps prometheus >"$work/up.log" 2>&1 ||
  { tail -n 20 "$work/up.log" >&2; fail "up of prometheus"; }
prometheus_says() { nsenter -t "$(pid_of prometheus 2>/dev/null)" -n curl -sf -G "http://127.0.0.1:9090/api/v1/$1" "${@:2}"; }
# All are asked every 15 s, and what is a rate takes two times of that.
asked_twice() {
  prometheus_says query --data-urlencode 'query=count(count_over_time(up{job="lucid"}[1m]) >= 2)' >"$work/said" &&
    grep -q '"12"\]' "$work/said"
}
retry 60 asked_twice || fail "Prometheus does not have 12 services: $(prometheus_says targets) $(docker logs --tail 5 "$(docker ps -aq --filter label=com.docker.compose.service=prometheus)" 2>&1)"
python3 -B - "$stack/grafana/lucid-node.json" "$(pid_of prometheus)" <<'END'
import json, subprocess, sys

dashboard, pid = json.load(open(sys.argv[1])), sys.argv[2]

def ask(path, *arguments):
    command = ["nsenter", "-t", pid, "-n", "curl", "-s", "-G", "http://127.0.0.1:9090/api/v1/" + path, *arguments]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert answer["status"] == "success", (arguments, answer)
    return answer["data"]

targets = [t for t in ask("targets")["activeTargets"] if t["labels"]["job"] == "lucid"]
bad = [(t["scrapeUrl"], t["lastError"]) for t in targets if t["health"] != "up"]
assert len(targets) == 12 and not bad, bad
asked = 0
for panel in dashboard["panels"]:
    for target in panel.get("targets", []):
        text = target["expr"]
        for name, value in (("$instance", ".*"), ("$service", ".*"), ("$__rate_interval", "1m"), ("$__range", "1h")):
            text = text.replace(name, value)
        found = ask("query", "--data-urlencode", "query=" + text)["result"]
        assert found, f"nothing is shown for {text}"
        asked += 1
print(f"12 services asked, and {asked} questions of the dashboard answered")
END
# Its health check is one of later versions than Debian's: `promtool check healthy` is not known to 2.42.
docker rm -f "$(id_of prometheus)" >/dev/null
