#!/usr/bin/env bash
# unchanged.sh FOLDER REMEDY: fails when the folder differs from what is committed.
set -euo pipefail
if [ -n "$(git status --porcelain -- "$1")" ]; then
  git --no-pager diff --stat -- "$1"
  git status --porcelain -- "$1"
  echo "$1 is not what is committed; run $2 and commit" >&2
  exit 1
fi
