#!/usr/bin/env bash
# Runs all tests; with the race detector for the package patterns of $1 (when a C compiler is there), without it for the
# rest, and those in virtual machines last. The last lines tell the result.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.cache/bin
race=()

# shellcheck disable=SC2086 # a list of patterns
if command -v gcc >/dev/null; then
  mapfile -t race < <(go list $1 2>/dev/null)
fi
mapfile -t metal < <(go list ./deploy/e2e/metal/...)
mapfile -t plain < <(go list ./... | grep -vxF -f <(printf '%s\n' "${race[@]:-none}" "${metal[@]}"))

# A test runner with a readable summary; go test itself serves where it cannot be had.
if [[ ! -x $tools/gotestsum ]]; then
  (cd deploy/tools && CGO_ENABLED=0 go build -o "$tools/" gotest.tools/gotestsum) || true
fi
run() {
  if [[ -x $tools/gotestsum ]]; then
    "$tools/gotestsum" --format pkgname --hide-summary=skipped -- "$@"
  else
    go test "$@"
  fi
}

status=0
CGO_ENABLED=0 run -timeout 10m "${plain[@]}" || status=1
(cd deploy/oidc && CGO_ENABLED=0 run -timeout 10m ./...) || status=1 # a module of its own, for a provider that is not ours
if [[ ${#race[@]} -gt 0 ]]; then
  CGO_ENABLED=1 run -race -timeout 15m "${race[@]}" || status=1
fi
# An emulated processor takes one of the machine's: two packages at a time, and nothing beside them.
CGO_ENABLED=0 run -p 2 -timeout 50m "${metal[@]}" || status=1
words=(passed FAILED)
echo "tests ${words[$status]}: ${#plain[@]} packages, ${#race[@]} with the race detector, and ${#metal[@]} in virtual machines"
exit $status
