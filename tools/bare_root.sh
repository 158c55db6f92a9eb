#!/usr/bin/env bash
# A bare machine: `tools/bare_root.sh [SUITE] COMMAND` runs COMMAND in a clone of the last commit, inside a minimal
# Debian of SUITE (bookworm or trixie; default trixie) that has make, git, python3 and ca-certificates, an empty home
# and an empty cache. Every call starts from the same kept archive of that Debian (`bare-root/` in the cache; 80
# seconds to make), so no call sees what another one installed. The machine lends its processors, /dev, /sys, its
# network, and its settings of apt, pip and npm.
#
# Exit code: that of COMMAND; 125 where no such machine can be made, with the reason in one line.
# It needs mmdebstrap (root on Debian: it is installed), and root or user namespaces with subordinate ids.
set -euo pipefail

refuse() { echo "bare_root: $*" >&2; exit 125; }

suite=trixie
if [ $# -eq 2 ]; then suite=$1; shift; fi
[ $# -eq 1 ] || refuse "write tools/bare_root.sh [SUITE] 'COMMAND'"
case $suite in bookworm | trixie) ;; *) refuse "$suite is not known: bookworm or trixie" ;; esac
command=$1

repository=$(git -c safe.directory='*' -C "$(dirname "$0")" rev-parse --show-toplevel)
kept=${PFNLAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pfnlab}/bare-root
made=$kept/$suite.tar

# Who is not root becomes root of a user namespace, with a range of ids for apt's own user.
namespaces=(--mount --pid --ipc --fork --kill-child)
if [ "$(id -u)" -ne 0 ]; then
    namespaces+=(--user --map-root-user --map-auto)
    unshare "${namespaces[@]}" true 2>/dev/null ||
        refuse "neither root nor user namespaces with a line in /etc/subuid: nothing was run on a bare $suite"
elif ! unshare "${namespaces[@]}" true 2>/dev/null; then
    refuse "this machine allows no mount namespaces: nothing was run on a bare $suite"
fi

# The entries of this machine's apt that are for its own release, for SUITE instead.
sources() {
    local release
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
        awk -v from="$release" -v to="$suite" '
            $3 == "main" && ($2 == from || index($2, from "-") == 1) && $2 !~ /backports/ && /\/debian/ {
                sub(from, to, $2); print "deb " $1 " " $2 " " $3
            }' | sort -u
}

make_archive() {
    if ! command -v mmdebstrap >/dev/null; then
        [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null ||
            refuse "mmdebstrap is missing (apt-get install mmdebstrap): nothing was run on a bare $suite"
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends mmdebstrap >/dev/null; } ||
            refuse "mmdebstrap could not be installed: nothing was run on a bare $suite"
    fi
    local entries log
    entries=$(sources)
    [ -n "$entries" ] || refuse "no apt source of this machine is Debian's: nothing was run on a bare $suite"
    mkdir -p "$kept"
    log=$kept/$suite.log
    # Settings of apt name proxies and certificates; mmdebstrap keeps them in what it makes.
    timeout 900 mmdebstrap --variant=minbase --include=make,git,python3,ca-certificates "$suite" "$kept/$suite.new.tar" \
        - <<<"$entries" 2>"$log" || refuse "mmdebstrap: $(tail -n 1 "$log") ($log): nothing was run on a bare $suite"
    mv "$kept/$suite.new.tar" "$made"
}

# Inside the namespaces: the machine's files, what it gets of this one, and the command.
enter() {
    set -E
    trap 'echo "bare_root: $BASH_COMMAND failed: nothing was run on a bare $suite" >&2; exit 125' ERR
    mount --make-rprivate /
    tar -C "$machine" --exclude="./dev/*" -xf "$made"
    cd "$machine"
    # What this machine says of packages; the folders that pip is told of come along.
    cp -L /etc/resolv.conf /etc/hosts etc/
    cp -rL /etc/ssl/certs/. etc/ssl/certs/ 2>/dev/null || true
    cp /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/99* etc/apt/apt.conf.d/ 2>/dev/null || true
    for file in /etc/pip.conf "$own_home/.config/pip/pip.conf" "$own_home/.pip/pip.conf" "$own_home/.npmrc"; do
        [ -e "$file" ] || continue
        into=root/${file#"$own_home"/}
        case $file in /etc/*) into=${file#/} ;; esac
        mkdir -p "$(dirname "$into")"
        cp "$file" "$into"
    done
    # A folder that pip is told of comes along, by the outermost folder of its path that the bare machine lacks:
    # an index has its files beside it, and nothing may hide what the bare machine has itself.
    for folder in $(grep -sohE "(file://)?/[^ ]+" etc/pip.conf root/.config/pip/pip.conf root/.pip/pip.conf | sed "s,^file://,,"); do
        [ -d "$folder" ] && [ ! -e ".$folder" ] || continue
        while [ ! -e ".$(dirname "$folder")" ]; do folder=$(dirname "$folder"); done
        mkdir ".$folder"
        mount -o bind,ro "$folder" ".$folder"
    done
    mount --rbind /dev dev
    mount --rbind /sys sys
    mount -t proc proc proc
    git -c advice.detachedHead=false clone -q checkout root/pfnlab
    rm checkout
    exec /usr/sbin/chroot . /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" \
        bash -c "cd /root/pfnlab && $command"
}

[ -e "$made" ] || make_archive

machine=$(mktemp -d "${TMPDIR:-/var/tmp}/pfnlab-bare-$suite.XXXXXX")
# Its files belong to ids of the namespace, so they are removed from inside one.
running=
finish() {
    # unshare heeds no other signal; with it ends everything inside.
    [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
    wait 2>/dev/null || true
    unshare "${namespaces[@]}" rm -rf --one-file-system "$machine"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# As one file, which git reads whoever owns the checkout.
git -c safe.directory='*' -C "$repository" bundle create -q "$machine/checkout" HEAD
export machine made command suite
export own_home=$HOME

lent=()
for name in $(compgen -e); do
    case $name in PIP_* | npm_config_* | NPM_CONFIG_* | http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | TERM)
        lent+=("$name=${!name}") ;;
    esac
done

# Beside this shell, which hears signals meanwhile.
unshare "${namespaces[@]}" bash -euc "$(declare -f enter); enter \"\$@\"" bare_root "${lent[@]}" <&0 &
running=$!
code=0
wait "$running" || code=$?
running=
exit "$code"
