#!/usr/bin/env bash
# suite.sh NAME BUDGET_SECONDS COMMAND…: runs a suite, says how long it took,
# and fails when it took longer than its budget.
set -euo pipefail
name=$1 budget=$2
shift 2
began=$SECONDS
status=0
"$@" || status=$?
took=$((SECONDS - began))
echo "suite $name: $took s of $budget s"
[ "$status" -eq 0 ] || exit "$status"
if [ "$took" -gt "$budget" ]; then
  echo "suite $name is over its budget" >&2
  exit 1
fi
