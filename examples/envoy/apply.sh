#!/bin/sh
# Applies a spec: checks it, then replaces Envoy's file in one step. Run it in Serin's root folder.
#   sh examples/envoy/apply.sh [SPEC.json]
set -eu
spec=${1:-examples/envoy/spec.json}
serin=${SERIN:-dist/serin}
if [ -x "$serin" ]; then
  "$serin" check "$spec"
fi
{ cat examples/envoy/filter.yaml; sed 's/^/            /' "$spec"; } > dist/serin.new.yaml
# Envoy reads the file when another file is moved over it, so it never reads half a file.
mv dist/serin.new.yaml dist/serin.yaml
