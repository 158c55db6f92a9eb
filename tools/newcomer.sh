#!/usr/bin/env bash
# The newcomer's path, from a fresh clone to a report of what a real kernel did, as README and docs/tutorial.md
# tell it, on an empty home and cache ($PFNLAB_CACHE where it is set): prints a transcript, ends at the first
# step that is not as expected. `tools/newcomer.sh [FOLDER]`; without a folder one that is removed again.
set -euo pipefail
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(realpath -m "${1:-$(mktemp -d)}")
[ -n "${1:-}" ] || trap 'rm -rf "$folder"' EXIT
export COLUMNS=${COLUMNS:-100}
began=$SECONDS

# Where packages come from is the machine's business and may be said in its home; all else there is the newcomer's.
for file in "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf"; do
  if [ -z "${PIP_CONFIG_FILE:-}" ] && [ -e "$file" ]; then export PIP_CONFIG_FILE=$file; fi
done
mkdir -p "$folder/home"
export HOME=$folder/home PFNLAB_CACHE=${PFNLAB_CACHE:-$folder/home/.cache/pfnlab}
unset XDG_CACHE_HOME XDG_CONFIG_HOME PYTHONPATH VIRTUAL_ENV

# step CODE COMMAND: what is typed, what it prints; it has to end with CODE.
step() {
    local told=$1 code=0 from=$SECONDS
    printf '\n$ %s\n' "$2"
    bash -c "$2" || code=$?
    [ "$code" -eq "$told" ] || { echo "newcomer: exit code $code instead of $told" >&2; exit 1; }
    echo "# exit code $code, $((SECONDS - from)) s"
}

step 0 "git clone -q '$repository' '$folder/pfnlab'"
cd "$folder/pfnlab"
step 0 "make demo"
PATH=$PWD/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

printf '\n# The tutorial\n'
step 0 "pfnlab litmus show munmap-middle"
step 0 "pfnlab run munmap-middle --on model:6.1 --on qemu:6.1"
step 1 "pfnlab check --on model:6.1 --scope small --property no_leak"
step 0 "pfnlab check --on model:7.3 --scope small --property no_leak"

printf '\n# A program of one'\''s own\n'
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

printf '\n# The same on real kernels\n'
step 1 "pfnlab run mine.pfn --on qemu:6.1 --on qemu:7.3"
step 0 "pfnlab run mine.pfn --on model:6.1 --on qemu:6.1 --json > mine.json"

printf '\n# A report of it, and of what the checker found\n'
step 1 "pfnlab check --on model:6.1 --scope small --property no_leak --json > check.json"
step 0 "pfnlab report mine.json check.json -o report.html"
step 0 "grep -c 'LEAKED' report.html"
step 0 "pfnlab report mine.json check.json --format md | head -40"

printf '\nThe path is as expected: %s s.\n' $((SECONDS - began))
