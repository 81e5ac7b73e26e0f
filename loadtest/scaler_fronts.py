"""What stands in front of the nodes in the scaler's run: nginx, which reads its file anew, or HAProxy, which is told.

Owns their configurations, the rules' part that is about them, and what each of them says that it was asked.
"""

from collections import Counter
from pathlib import Path
from typing import Final

NGINX: Final = """
daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn; worker_processes 1;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    log_format status $status; access_log {folder}/asked.log status; keepalive_requests 1000000;
    upstream reads {{ zone reads 64k; least_conn; include {folder}/read-nodes.conf; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://reads; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_next_upstream error timeout http_503; proxy_read_timeout 60s;
        }}
    }}
}}
"""
NGINX_RULES: Final = """
[balancer]
kind = "nginx"
file = "read-nodes.conf"
always = ["{address}"]
reload = ["nginx", "-p", "{folder}", "-c", "{folder}/nginx.conf", "-e", "stderr", "-s", "reload"]
"""
HAPROXY: Final = """
global
    stats socket {folder}/haproxy.sock mode 600 level admin
    log {folder}/log.sock format raw local0
    nbthread 1
defaults
    mode http
    timeout http-request 60s
    timeout http-keep-alive 60s
    timeout client 60s
    timeout connect 2s
    timeout server 60s
    timeout queue 60s
    timeout check 2s
    retries 3
    option redispatch 1
frontend reading
    bind 127.0.0.1:{port} backlog 4096
    default_backend reads
backend reads
    balance leastconn
    option httpchk
    http-check send meth GET uri /replica?max_lag=5 hdr Host onsale
    http-check expect status 200
    retry-on conn-failure empty-response response-timeout junk-response 502 503 504
    default-server inter 500ms fastinter 100ms downinter 500ms fall 2 rise 1 slowstart 2s
    server standby {address} check
    server-template replica 1-{most} 192.0.2.1:8080 check disabled
"""
HAPROXY_RULES: Final = """
[balancer]
kind = "haproxy"
socket = "haproxy.sock"
backend = "reads"
drain_seconds = 10
"""


class NginxFront:
    """Closes connections that are idle when it reads its file anew: a request may be on its way there just then."""

    may_be_sent_again = True

    def __init__(self, folder: Path, port: int, address: str, _most: int) -> None:
        self._log = folder / "asked.log"
        (folder / "read-nodes.conf").write_text(f"server {address};\n")
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        self.command = ("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr")
        self.rules = NGINX_RULES.format(folder=folder, address=address)

    def asked(self) -> Counter[str]:
        """How many requests it has read so far, by the status of its answer."""
        return Counter(self._log.read_text().split())


class HaproxyFront:
    """Its connections to clients outlive all changes."""

    may_be_sent_again = False

    def __init__(self, folder: Path, port: int, address: str, most: int) -> None:
        (folder / "haproxy.cfg").write_text(HAPROXY.format(folder=folder, port=port, address=address, most=most))
        self.command = ("haproxy", "-db", "-f", str(folder / "haproxy.cfg"))
        self.rules = HAPROXY_RULES

    def asked(self) -> None:
        """Nobody needs to know: nothing is sent twice."""


Front = NginxFront | HaproxyFront
FRONTS: Final[dict[str, type[NginxFront] | type[HaproxyFront]]] = {"nginx": NginxFront, "haproxy": HaproxyFront}
