#!/usr/bin/env bash
# The newcomer's path, from a fresh clone to a result on a real kernel, as README and docs/tutorial.md tell it:
# prints a transcript, ends at the first step that is not as told. `tools/newcomer.sh [FOLDER]`; without a folder
# one that is taken away again. Kernels come into $PFNLAB_CACHE, as for anybody.
set -euo pipefail
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=${1:-$(mktemp -d)}
[ -n "${1:-}" ] || trap 'rm -rf "$folder"' EXIT
export COLUMNS=${COLUMNS:-100}

# step CODE COMMAND: what is typed, what it prints; it has to end with CODE.
step() {
    local told=$1 code=0
    printf '\n$ %s\n' "$2"
    bash -c "$2" || code=$?
    [ "$code" -eq "$told" ] || { echo "newcomer: exit code $code instead of $told" >&2; exit 1; }
}

step 0 "git clone -q '$repository' '$folder/pfnlab'"
cd "$folder/pfnlab"
step 0 "make demo"
PATH=$PWD/.venv/bin:$PATH

echo; echo "# The tutorial"
step 0 "pfnlab litmus show munmap-middle"
step 0 "pfnlab run munmap-middle --on model:6.1 --on qemu:6.1"
step 1 "pfnlab check --on model:6.1 --scope small --property no_leak"

echo; echo "# A program of one's own"
cat > mine.pfn <<'PROGRAM'
pfnlab program 1
title   Read-only in the middle
asks    Is the mapping still released as a whole?
device  bar: pci, 8 pages

a = mmap bar[0:8] wc shared rw
mprotect a[2:4] r
munmap a

expect 6.1..6.12   leaked bar[0:4] wc
expect 6.16..      nothing left
PROGRAM
step 0 "cat mine.pfn"
step 0 "pfnlab fmt --check mine.pfn"
step 1 "pfnlab run mine.pfn --on model:6.1 --on model:7.2"

echo; echo "# The same on real kernels"
step 1 "pfnlab run mine.pfn --on qemu:6.1 --on qemu:7.3"
step 0 "pfnlab run mine.pfn --on model:6.1 --on qemu:6.1 --json > mine.json"

# Here the report comes, from mine.json.
echo; echo "The path is as told."
