"""Files of rules: what is taken for what, and that whatever is wrong is named with its place and a remedy."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from onsale.node.scaler.rules import (
    DryDriver,
    HaproxyBalancer,
    HookBalancer,
    HookDriver,
    NginxBalancer,
    NoBalancer,
    NodeMetric,
    ProcessesDriver,
    Rules,
)
from onsale.node.scaler.rules_file import BadRules, read_rules

SAMPLES = sorted((Path(__file__).parents[3] / "deploy" / "scaler").glob("*.toml"))

RULES = """\
state = "state"
[limits]
least = 1
most = 4
[nodes]
addresses = ["http://127.0.0.1:8080/"]
[prometheus]
url = "http://127.0.0.1:9090"
[[rule]]
name = "load"
source = "prometheus"
query = "load"
up_above = 10
down_below = 2
[[rule]]
name = "p99"
source = "nodes"
metric = "onsale_http_request_seconds"
aggregate = "p99"
up_above = 0.1
down_below = 0.02
[driver]
kind = "processes"
first_port = 8101
[balancer]
kind = "nginx"
file = "read-nodes.conf"
always = ["127.0.0.1:8080"]
reload = ["true"]
"""
HAPROXY = 'kind = "haproxy"\nsocket = "/run/h.sock"'
NGINX = RULES[RULES.index('kind = "nginx"') :]
PROCESSES = RULES[RULES.index('kind = "processes"') : RULES.index("[balancer]")]


def read(folder: Path, text: str) -> Rules:
    file = folder / "rules.toml"
    file.write_text(text)
    return read_rules(file)


def test_what_is_not_said_has_a_default_and_paths_are_beside_the_file(tmp_path: Path) -> None:
    rules = read(tmp_path, RULES)
    assert rules.state == tmp_path / "state"
    assert (rules.every_seconds, rules.max_lag_seconds, rules.join_seconds, rules.remind_seconds) == (15, 5, 120, 300)
    plan = rules.plan
    assert (plan.least, plan.most, plan.after_up_seconds, plan.after_down_seconds) == (1, 4, 60, 300)
    assert (plan.stale_seconds, plan.gap_seconds) == (60, 50)
    load, p99 = plan.rules
    assert (load.for_up_seconds, load.step_up, load.step_down, load.nan_means) == (0, 1, 1, None)
    assert p99.source == NodeMetric("onsale_http_request_seconds", "p99", 60.0)
    assert rules.nodes.addresses == ("http://127.0.0.1:8080",)
    assert rules.nodes.discover
    assert isinstance(rules.driver, ProcessesDriver)
    assert rules.driver.command == (sys.executable, "-m", "onsale")
    assert (rules.driver.host, rules.driver.prefix, rules.driver.primary_feeds_most) == ("127.0.0.1", "scaled-", 1)
    assert rules.driver.stop_with_scaler is False
    assert isinstance(rules.balancer, NginxBalancer)
    assert rules.balancer.file == tmp_path / "read-nodes.conf"


def test_other_drivers_and_balancers(tmp_path: Path) -> None:
    hook = 'kind = "hook"\nup = ["true"]\ndown = ["true"]\nlist = ["true"]\n'
    front = 'kind = "hook"\nadmit = ["true"]\ndrain = ["true"]\n'
    rules = read(tmp_path, RULES.replace(PROCESSES, hook).replace(NGINX, front))
    assert rules.driver == HookDriver(("true",), ("true",), ("true",), 60.0)
    assert rules.balancer == HookBalancer(("true",), ("true",), (), 60.0)
    rules = read(tmp_path, RULES.replace(PROCESSES, 'kind = "dry_run"\n').replace(NGINX, HAPROXY))
    assert rules.driver == DryDriver()
    assert rules.balancer == HaproxyBalancer(Path("/run/h.sock"), "reads", "replica", 30.0, 5.0)
    assert read(tmp_path, RULES.replace("[balancer]\n" + NGINX, "")).balancer == NoBalancer()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_samples_are_as_they_must_be(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: program)  # kubectl and others are where they are used
    rules = read_rules(sample)
    assert len(SAMPLES) == 3
    assert rules.state == Path("/var/lib/onsale-scaler"), "as the systemd unit makes it"
    for rule in rules.plan.rules:
        assert rule.down_below < rule.up_above / 2, "one replica less of two must not bring the next one"


BAD = [
    # in place of, written, which setting, what is said of it
    ('state = "state"', 'state = ""', "state", "write text in quotes, not the text ''"),
    ('state = "state"', "state = 5", "state", "write text in quotes, not 5"),
    ('state = "state"\n', "", "state", "state is missing; add `state = …`"),
    ('state = "state"', "every_seconds = 0", "every_seconds", "0 is too little; write 0.05 or more"),
    ('state = "state"', "every_seconds = nan", "every_seconds", "write a number, not nan"),
    ('state = "state"', "every_seconds = true", "every_seconds", "write a number, not true or false (True)"),
    ('state = "state"', 'state = "s"\nstale_seconds = 1', "stale_seconds", "below every_seconds (15)"),
    ('state = "state"', 'state = "s"\nevery_second = 1', "every_second", "every_seconds is meant, perhaps. There are:"),
    ('state = "state"', 'state = "s"\nwhat = 1', "what", "there is no such setting here"),
    ("[limits]\nleast = 1\nmost = 4", "limits = 3", "limits", "write a table: a line `[limits]`"),
    ("least = 1\n", "", "[limits]", "least is missing; add `least = …`"),
    ("least = 1", "least = 5", "limits.least", "it is above most (4); write at most 4, or raise most"),
    ("least = 1", 'least = "one"', "limits.least", "write a whole number, not the text 'one'"),
    ("least = 1", "least = 0.5", "limits.least", "write a whole number, not 0.5"),
    ("least = 1", "least = -1", "limits.least", "-1 is too little; write 0 or more"),
    ("most = 4", "most = 101", "limits.most", "101 is too much; write at most 100"),
    ("most = 4", "most = 4\nmean = 3", "limits.mean", "there is no such setting here"),
    ('addresses = ["http://127.0.0.1:8080/"]', 'addresses = "http://a"', "nodes.addresses", "write a list of texts"),
    ('addresses = ["http://127.0.0.1:8080/"]', 'addresses = ["a:1"]', "nodes.addresses", "'a:1' is no address; write"),
    ('addresses = ["http://127.0.0.1:8080/"]', "discover = 1", "nodes.discover", "write true or false, not 1"),
    ('[nodes]\naddresses = ["http://127.0.0.1:8080/"]\n', "", "rule[2].source", "Add a table [nodes]"),
    ('url = "http://127.0.0.1:9090"', 'url = "9090"', "prometheus.url", "'9090' is no address"),
    ('[prometheus]\nurl = "http://127.0.0.1:9090"\n', "", "rule[1].source", "Add a table [prometheus]"),
    ("[[rule]]\n" + RULES.split("[[rule]]\n")[2].split("[driver]", maxsplit=1)[0], "", "", ""),  # one rule is enough
    ('name = "load"', 'name = "p99"', "rule[2].name", "two rules are called 'p99'"),
    ('name = "load"', "name = 3", "rule[1].name", "write text in quotes"),
    ('source = "prometheus"', 'source = "promethius"', "rule[1].source", "prometheus is meant, perhaps"),
    ('query = "load"', 'quary = "load"', "[rule[1]]", "query is missing"),
    ("up_above = 10", "up_above = inf", "rule[1].up_above", "write a number, not inf"),
    ("down_below = 2\n", "down_below = 10\n", "rule[1].down_below", "it must be below up_above (10)"),
    ("down_below = 2\n", "down_below = 2\nstep_up = 0\n", "rule[1].step_up", "0 is too little; write 1 or more"),
    ("down_below = 2\n", "down_below = 2\nfor_up_seconds = -1\n", "rule[1].for_up_seconds", "-1 is too little"),
    ("down_below = 2\n", 'down_below = 2\nmetric = "a"\n', "rule[1].metric", "there is no such setting here"),
    ('metric = "onsale_http_request_seconds"', 'metric = "a b"', "rule[2].metric", "'a b' is no name of a metric"),
    ('aggregate = "p99"', 'aggregate = "p100"', "rule[2].aggregate", "'p100' is none of p50"),
    ('aggregate = "p99"', 'aggregate = "p0"', "rule[2].aggregate", "'p0' is no quantile"),
    ('aggregate = "p99"', 'aggregate = "median"', "rule[2].aggregate", "rate_per_node, mean, max, sum"),
    ('aggregate = "p99"', 'aggregate = "p9"\nwindow_seconds = 1', "rule[2].window_seconds", "below every_seconds (15)"),
    ('aggregate = "p99"', 'aggregate = "p9"\nroles = ["boss"]', "rule[2].roles", "'boss' is none of primary, standby"),
    ('aggregate = "p99"', 'aggregate = "p9"\nwhere = { code = 200 }', "rule[2].where", "write a table of texts"),
    ('kind = "processes"', 'kind = "docker"', "driver.kind", "'docker' is none of processes, hook, dry_run"),
    ('kind = "processes"\n', "", "[driver]", "kind is missing"),
    ("first_port = 8101", "first_port = 65533", "driver.first_port", "4 ports from there on are more than there are"),
    ("first_port = 8101", 'first_port = 1\nhost = "a b"', "driver.host", "a b"),
    ("first_port = 8101", 'first_port = 1\nprefix = "a b"', "driver.prefix", "a b"),
    ("first_port = 8101", 'first_port = 1\nsources = ["here"]', "driver.sources", "here"),
    (
        "first_port = 8101",
        'first_port = 1\ncommand = ["/no/onsale"]',
        "driver.command",
        "there is no program '/no/onsale'",
    ),
    ('file = "read-nodes.conf"\n', "", "[balancer]", "file is missing"),
    ('always = ["127.0.0.1:8080"]', "always = []", "balancer.always", "it must name at least one"),
    ('always = ["127.0.0.1:8080"]', 'always = ["here"]', "balancer.always", "here"),
    ('reload = ["true"]', 'reload = ["true"]\noptions = "weight=2; }"', "balancer.options", "none of ; { }"),
    ('reload = ["true"]', 'reload = "nginx"', "balancer.reload", "write a list of texts"),
    ('reload = ["true"]', 'reload = ["nginx -s reload"]', "balancer.reload", 'write ["nginx", "-s", "reload"]'),
    (NGINX, HAPROXY + '\nslots = "my slot"', "balancer.slots", "'my slot' is no name in HAProxy"),
    (NGINX, HAPROXY + "\ntimeout_seconds = 0", "balancer.timeout_seconds", "0 is too little"),
    (NGINX, 'kind = "hook"\nadmit = ["true"]', "[balancer]", "drain is missing"),
    (NGINX, 'kind = "none"\nfile = "a"', "balancer.file", "there is no such setting here"),
]


@pytest.mark.parametrize(("old", "new", "place", "words"), BAD, ids=[f"{each[2]} {each[1][-24:]}" for each in BAD])
def test_what_is_wrong_is_said_with_file_line_setting_and_remedy(
    tmp_path: Path, old: str, new: str, place: str, words: str
) -> None:
    assert old in RULES
    text = RULES.replace(old, new, 1)
    if not place:
        read(tmp_path, text)
        return
    with pytest.raises(BadRules) as raised:
        read(tmp_path, text)
    said = str(raised.value)
    match = re.fullmatch(r"(.+?)(?:, line ([0-9]+))?: ((?:\[.+\])|[\w.\[\]]+): (.+)", said, re.DOTALL)
    assert match, said
    assert match[1] == str(tmp_path / "rules.toml")
    assert match[3] == place
    assert words in match[4]
    if match[2]:
        line = text.splitlines()[int(match[2]) - 1]
        assert (place.rsplit(".", maxsplit=1)[-1].strip("[]").split("[")[0]) in line, "the line that is named holds it"
    else:
        assert place == "state", "all that is written has a line"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"state = ", "is not TOML: Invalid value (at end of document)"),
        (b"state = here", "is not TOML"),
        (b"state = 'a'\nstate = 'b'", "is not TOML: Cannot overwrite a value"),
        (b'state = "\xff"', "it is not written in UTF-8 (byte 9)"),
        (b"", "least is missing"),
        (RULES.replace("[[rule]]", "[rule]", 1).split("[[rule]]")[0].encode(), "write a line `[[rule]]`"),
        (RULES.split("[[rule]]", maxsplit=1)[0].encode(), "there are no rules; write at least one"),
    ],
)
def test_what_is_no_file_of_rules_at_all(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_bytes(content)
    with pytest.raises(BadRules, match=re.escape(words)) as raised:
        read_rules(file)
    assert str(raised.value).startswith(str(file))


def test_a_file_that_is_not_there_is_the_callers_to_tell(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_rules(tmp_path / "none.toml")
