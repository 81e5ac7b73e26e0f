#!/bin/sh
# Makes what the compose file needs and nobody should copy: secrets.env with random keys, and a certificate for nginx.
# What is there already is left alone.
set -eu
cd "$(dirname "$0")"
umask 077

if [ ! -e secrets.env ]; then
    {
        echo "ONSALE_CLUSTER_SECRET=$(openssl rand -hex 32)"
        echo "ONSALE_JWT_KEY=$(openssl rand -hex 32)"
    } > secrets.env
    echo "secrets.env is made. Real payments and mail: add STRIPE_API_KEY and the others of ../settings/secrets.env."
fi
if [ ! -e tls/certificate.pem ]; then
    mkdir -p tls
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout tls/key.pem -out tls/certificate.pem 2>/dev/null
    echo "tls/certificate.pem is made, for localhost and signed by itself."
fi
