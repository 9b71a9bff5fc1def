#!/usr/bin/env bash
# fast: what needs no tools. all: also licences, gofumpt, staticcheck, golangci-lint.
# Every check runs, so that one call tells everything that is wrong.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
tools=$PWD/.cache/bin
failed=()

check() { # name, command…: prints the output of a check only if it fails
  local name=$1 output
  shift
  if ! output=$("$@" 2>&1); then
    failed+=("$name")
    printf -- '--- %s\n%s\n' "$name" "$output"
  fi
}

sources() { git ls-files -co --exclude-standard -- '*.go'; }
nothing() { local found; found=$("$@") ; [[ -z $found ]] || { echo "$found"; return 1; }; }
unformatted() { sources | xargs gofmt -l; }
unfumpted() { sources | xargs "$tools/gofumpt" -l; }
# Paths of the machine that something was written on have no place in the project.
machine_paths() { git grep -nIE '(^|[^a-z.])/(work|root|home/[a-z]+)/[a-z]' -- . ':!deploy/check.sh' || true; }

# Both sides of a merge that nobody looked at.
conflicts() { git grep -nIE '^(<{7}|>{7}) ' -- . || true; }

tool() { # directory of its module, package: builds it once
  local name=${2##*/}
  [[ -x $tools/$name ]] && return
  (cd "$1" && CGO_ENABLED=0 go build -o "$tools/" "$2")
}

check gofmt nothing unformatted
check vet go vet ./...
check "machine paths" nothing machine_paths
check "merge conflicts" nothing conflicts

if [[ ${1:-all} == all ]]; then
  check licences go test -count=1 ./deploy/licences
  if tool deploy/tools mvdan.cc/gofumpt; then check gofumpt nothing unfumpted; fi
  if tool deploy/tools honnef.co/go/tools/cmd/staticcheck; then check staticcheck "$tools/staticcheck" ./...; fi
  # Building golangci-lint takes minutes, so it is used where somebody has it:
  # (cd deploy/tools/lint && go build -o ../../../.cache/bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
  lint=$(command -v golangci-lint || echo "$tools/golangci-lint")
  if [[ -x $lint ]]; then check golangci-lint "$lint" run; else echo "golangci-lint is not here: not run"; fi
fi

if [[ ${#failed[@]} -gt 0 ]]; then
  echo "check FAILED: ${failed[*]}"
  exit 1
fi
echo "check passed"
