#!/usr/bin/env bash
# What the wheel can do without the repository: builds it of the last commit, installs it in an environment of its
# own, and runs from a folder elsewhere, on an empty home, what README promises. `tools/wheel_alone.sh [FOLDER]`;
# without a folder one that is removed again. Needs no kernel. Ends at the first step that is not as expected.
set -euo pipefail
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(realpath -m "${1:-$(mktemp -d)}")
[ -n "${1:-}" ] || trap 'rm -rf "$folder"' EXIT
builder=$repository/.venv/bin/python
export COLUMNS=${COLUMNS:-100}

# Where packages come from is the machine's business and may be said in its home.
for file in "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf"; do
  if [ -z "${PIP_CONFIG_FILE:-}" ] && [ -e "$file" ]; then export PIP_CONFIG_FILE=$file; fi
done
mkdir -p "$folder/home" "$folder/elsewhere"
export HOME=$folder/home PFNLAB_CACHE=$folder/cache
unset XDG_CACHE_HOME XDG_CONFIG_HOME PYTHONPATH VIRTUAL_ENV

# step CODE COMMAND: what is typed, what it prints; it has to end with CODE.
step() {
    local told=$1 code=0 from=$SECONDS
    printf '\n$ %s\n' "$2"
    bash -o pipefail -c "$2" || code=$?
    [ "$code" -eq "$told" ] || { echo "wheel_alone: exit code $code instead of $told" >&2; exit 1; }
    echo "# exit code $code, $((SECONDS - from)) s"
}

"$builder" "$repository/tools/build_release.py" "$folder/dist"
wheel=$(ls "$folder"/dist/*.whl)
"$builder" -m venv "$folder/venv"
cp "$repository/examples/tour.ipynb" "$folder/elsewhere/"
cd "$folder/elsewhere"
PATH=$folder/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
step 0 "pip install -q --disable-pip-version-check '$wheel'"
step 0 "python -c 'import pfnlab, sys; assert sys.prefix in pfnlab.__file__, pfnlab.__file__; print(pfnlab.__version__)'"

step 0 "pfnlab run munmap-middle"
step 1 "pfnlab run 'munmap-*' --on model:6.1 --on model:7.2 --format junit -o results.xml"
step 0 "pfnlab litmus list --grep fork | tail -3"
step 0 "pfnlab litmus copy munmap-middle && pfnlab fmt --check munmap-middle.pfn"
step 1 "pfnlab check --on model:6.1 --scope small --property no_leak"
step 0 "pfnlab policies show track_ctx | head -3"
step 0 "pfnlab help --schema run | python -m json.tool > /dev/null"
step 0 "pfnlab run munmap-middle --on model:6.1 --json > run.json"
step 1 "pfnlab check --on model:6.1 --scope small --property no_leak --json > check.json"
step 0 "pfnlab report run.json check.json -o report.html && ls -l report.html"
step 0 "pfnlab draw munmap-middle --all -o story.svg && ls -l story.svg"
step 0 "pip install -q --disable-pip-version-check '$wheel[web]'"
# Its page answers, as soon as it stands there.
cat > ask_page.py <<'PYTHON'
import re, sys, time, urllib.request
ends = time.monotonic() + 60
while not (found := re.search("http://[^ #\\n]+", open("address").read())):
    if time.monotonic() > ends:
        sys.exit("no address within a minute")
    time.sleep(0.1)
print(urllib.request.urlopen(found[0], timeout=60).read().lower().count(b"<html"))
PYTHON
touch address
step 0 "pfnlab explore munmap-middle --no-browser > address 2>&1 & python ask_page.py | grep 1; code=\$?; kill %1; exit \$code"

step 0 "pip install -q --disable-pip-version-check '$wheel[mcp]'"
# The server answers until its client has gone.
ping='{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
step 0 "(echo '$ping'; sleep 10) | pfnlab mcp | grep '\"result\"'"

step 0 "pip install -q --disable-pip-version-check '$wheel[frames]' nbclient ipykernel"
step 0 "jupyter execute tour.ipynb"
printf '\nThe wheel needs no repository.\n'
