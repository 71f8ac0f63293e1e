#!/bin/sh
# Throw-away certificates for k8s/overlays/tls: a CA that is forgotten at once, one certificate for the Collector, one for
# the bridges, a day long, as Secrets in a namespace that is there already. Needs openssl and kubectl.
#
#   k8s/overlays/tls/certificates.sh NAMESPACE
set -eu
namespace=${1:?usage: certificates.sh NAMESPACE}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

new_key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
# shellcheck disable=SC2086 # options, not one word
openssl req -x509 $new_key -keyout ca.key -out ca.crt -days 1 -subj /CN=ml-metrics-throw-away-ca 2>/dev/null

certificate() { # secret, common name, extensions
  # shellcheck disable=SC2086 # as above
  openssl req $new_key -keyout tls.key -out tls.csr -subj "/CN=$2" 2>/dev/null
  printf '%s\n' "$3" >extensions
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile extensions -out tls.crt 2>/dev/null
  kubectl -n "$namespace" create secret generic "$1" --from-file=ca.crt --from-file=tls.crt --from-file=tls.key \
    --dry-run=client -o yaml | kubectl -n "$namespace" apply -f -
}
names="DNS:otel-collector,DNS:otel-collector.$namespace,DNS:otel-collector.$namespace.svc,DNS:otel-collector.$namespace.svc.cluster.local"
certificate otel-collector-tls otel-collector "subjectAltName=$names
extendedKeyUsage=serverAuth"
certificate bridge-tls bridge "extendedKeyUsage=clientAuth"
