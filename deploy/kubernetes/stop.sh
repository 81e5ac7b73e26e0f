#!/bin/sh
# Before a voter is stopped: if it leads, it hands over, so that writers wait for milliseconds and not for the lease.
# To the first pod where that is possible: a rolling update goes from the last pod to the first, so until the end the
# old version leads, and the new one follows, which is the order that always works.
set -eu

leads() {
    python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/primary', timeout=2)" 2>/dev/null
}

hand_over() {
    onsale switchover --yes --node http://127.0.0.1:8080 "$@"
}

leads || exit 0
ONSALE_TOKEN=$(onsale token --role operator --sub "$ONSALE_NAME" --hours 0.1)
export ONSALE_TOKEN
first=${ONSALE_NAME%-*}-0
if [ "$ONSALE_NAME" = "$first" ] || ! hand_over --to "$first"; then
    hand_over || true  # nobody can take it: the stop goes on, and whoever has everything takes over later
fi
