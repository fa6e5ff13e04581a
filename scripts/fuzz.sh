#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target for TIME.
set -euo pipefail
time=$1
cd "$(git rev-parse --show-toplevel)"
while IFS=: read -r file line; do
  name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
  echo "== $(dirname "$file") $name"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")"
done < <(git grep -E '^func Fuzz' -- '*_test.go')
