#!/bin/sh
# How a voter starts. All are standbys and find each other by name, but somebody must begin the cluster: the first pod
# does, and only if its volume is empty and none of the others has anything. Where that guess is wrong (its volume was
# lost while the others were away, too) etcd knows the cluster's journal, and does not let it lead with another one.
set -eu

others() {
    for address in $ONSALE_PRIMARY; do
        case $address in "$ONSALE_ADVERTISE":*) ;; *) echo "$address" ;; esac
    done
}

anybody_there() {
    for address in $(others); do
        python - "${address%:*}" <<'PYTHON' && return 0
import sys, urllib.request
urllib.request.urlopen(f"http://{sys.argv[1]}:8080/readyz", timeout=2)
PYTHON
    done 2>/dev/null
    return 1
}

case $ONSALE_NAME in
    *-0) if [ -e "$ONSALE_DATA/journal" ] || ! anybody_there; then exec onsale serve; fi ;;
esac
ONSALE_PRIMARY=$(others | tr '\n' ' ')
export ONSALE_PRIMARY
exec onsale standby
