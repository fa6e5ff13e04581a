#!/usr/bin/env bash
# breaking.sh BASE BUILD: compares proto/ with that of a commit. The base is
# laid out as a workspace of its own, because a checkout lacks the printed
# third-party definitions.
set -euo pipefail
base=$1 build=$2
if [ -z "$base" ] || ! git cat-file -e "$base:proto/linli" 2>/dev/null || ! git cat-file -e "$base:buf.yaml" 2>/dev/null; then
  echo "no proto to compare with in '${base:-nothing}'"
  exit 0
fi
rm -rf "$build/base"
mkdir -p "$build/base/.build"
git archive "$base" buf.yaml proto | tar -x -C "$build/base"
cp -r "$build/protodeps" "$build/base/.build/"
buf breaking --against "$build/base"
