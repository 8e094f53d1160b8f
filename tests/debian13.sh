#!/usr/bin/env bash
# Run `./marketplace test ARGUMENT…` on a minimal Debian 13, in a directory of this machine.
#
#   sudo tests/debian13.sh [ARGUMENT…]
#
# The system is built once, in $DEBIAN13_CACHE (~/.cache/marketplace-debian13), from the mirror in this machine's apt
# configuration. Delete that directory to build it again. Tests the last commit. Needs root on Debian.
set -euo pipefail

release=trixie
cache=${DEBIAN13_CACHE:-$HOME/.cache/marketplace-debian13}
system=$cache/$release
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

((EUID == 0)) || fail "Only root can build a system." "Run: sudo $0 $*"
command -v apt-get >/dev/null || fail "apt-get is not installed." "Run this on Debian."
# In a mount namespace of its own: the kernel unmounts everything when this script ends, even after kill -9.
[[ ${DEBIAN13_MOUNTS:-} ]] || DEBIAN13_MOUNTS=private exec unshare --mount -- "$0" "$@"

stage() {
    now=$1 began=$SECONDS
    echo "== $now"
    "${@:2}"
    echo "== $now: $((SECONDS - began)) s"
    now=
}
trap '[[ ! ${now:-} ]] || echo "== $now: failed after $((SECONDS - began)) s" >&2' EXIT

mirror() {
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && !n++ { print $2 }'
}

build_system() {
    local from
    if ! command -v debootstrap >/dev/null; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends debootstrap
    fi
    from=$(mirror)
    [[ $from ]] || fail "apt has no Debian mirror." "Configure one in /etc/apt and run: apt-get update"
    rm -rf --one-file-system "$system.unfinished"
    debootstrap --variant=minbase --include=python3,python3-venv "$release" "$system.unfinished" "$from" >"$system.log" ||
        fail "debootstrap failed; the end of $system.log:" "$(tail -n 5 "$system.log")"
    mv "$system.unfinished" "$system"
}

# Copy this machine's settings of apt and pip, mount file systems, and prevent packages from starting services.
configure_system() {
    apt-config dump Acquire >"$system/etc/apt/apt.conf.d/99host"
    local path
    for path in /etc/resolv.conf /etc/hosts /etc/apt/auth.conf.d /etc/ssl/certs/ca-certificates.crt \
        /etc/pip.conf /etc/xdg/pip "$HOME/.config/pip" "$HOME/.netrc"; do
        [[ ! -e $path ]] || copy "$path" "$system${path/#"$HOME"//root}"
    done
    printf '#!/bin/sh\nexit 101\n' >"$system/usr/sbin/policy-rc.d"
    chmod +x "$system/usr/sbin/policy-rc.d"
    mount -t proc proc "$system/proc"
    mount --rbind /sys "$system/sys"
    mount --rbind /dev "$system/dev"
    mount -t tmpfs tmpfs "$system/dev/shm"
}

copy() {
    rm -rf "$2"
    mkdir -p "$(dirname "$2")"
    cp -RL "$1" "$2"
}

# Keep .venv, which the launcher updates.
copy_checkout() {
    mkdir -p "$system/srv/marketplace"
    find "$system/srv/marketplace" -mindepth 1 -maxdepth 1 ! -name .venv -exec rm -rf {} +
    git -C "$source" archive HEAD | tar -x -C "$system/srv/marketplace"
}

inside() {
    local passed
    mapfile -t passed < <(env | grep -iE '^(CI|TERM|[a-z]+_proxy|PIP_[a-z_]+|SSL_CERT_(FILE|DIR))=')
    chroot "$system" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "${passed[@]}" "$@"
}

mkdir -p "$cache"
exec 9<"$cache"
flock -n 9 || fail "Another run uses $cache." "Wait for it, or set DEBIAN13_CACHE to another directory."
[[ -d $system ]] || stage "Building Debian 13 in $system" build_system
stage "Configuring the system" configure_system
stage "Copying commit $(git -C "$source" rev-parse --short HEAD)" copy_checkout
stage "Installing Python packages" inside sh -c '/srv/marketplace/marketplace --help >/dev/null'
stage "Tests" inside /srv/marketplace/marketplace test "$@"
