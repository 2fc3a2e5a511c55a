#!/usr/bin/env bash
# What the machine must have, in one list. `tests/needs.sh build|test|bench` installs what is missing: by apt-get
# where we are root or sudo lets us, otherwise it names the packages in one line and fails.
set -euo pipefail

needs() { # what something is needed for, the command or the file that shows it is there, the Debian package
    cat <<'LIST'
build cmake    cmake
build cc       gcc
build c++      g++
build make     make
test  curl     curl
test  openssl  openssl
test  nghttp   nghttp2-client
test  python3  python3
test  zsh      zsh
test  fish     fish
test  groff    groff-base
test  nvim     neovim
test  varnishd varnish
test  varnishtest varnish
test  apache2  apache2
test  svn      subversion
test  svnadmin subversion
test  /usr/lib/apache2/modules/mod_dav_svn.so libapache2-mod-svn
test  litmus   litmus
test  php-fpm* php-fpm
test  nginx    nginx
test  gunicorn gunicorn
test  django-admin python3-django
test  /usr/lib/python3/dist-packages/websockets python3-websockets
test  chromium chromium
bench nginx    nginx
bench haproxy  haproxy
bench wrk      wrk
bench h2load   nghttp2-client
bench openssl  openssl
bench python3  python3
bench taskset  util-linux
LIST
}

wanted=${1:-test}
case $wanted in
    build) stages="build" ;;
    test)  stages="build test" ;;
    bench) stages="build bench" ;;
    *) echo "usage: tests/needs.sh build|test|bench" >&2; exit 2 ;;
esac

PATH=$PATH:/usr/sbin:/sbin
if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it from https://rustup.rs (or Debian's rustup package), version 1.90 or later." >&2
    exit 1
fi

missing=""
while read -r stage program package; do
    [[ " $stages " == *" $stage "* ]] || continue
    # Debian writes the version into some names: `php-fpm8.2`.
    [[ $program == *\* ]] && compgen -c "${program%\*}" >/dev/null && continue
    command -v "$program" >/dev/null && continue
    [[ $program == /* && -e $program ]] && continue
    [[ " $missing " == *" $package "* ]] || missing="$missing $package"
done < <(needs)
missing=${missing# }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    root=""
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    root="sudo"
else
    root="none"
fi
if [ "$root" = none ] || ! command -v apt-get >/dev/null; then
    echo "These packages are missing (Debian's names): $missing" >&2
    exit 1
fi

# A freshly installed nginx or haproxy would start at once and take port 80: nothing installed here is to be started.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
    # shellcheck disable=SC2064  # the words are meant as they are now
    trap "$root rm -f $policy" EXIT
fi
echo "installing: $missing" >&2
$root apt-get update -q >&2
# shellcheck disable=SC2086  # a list of names
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing </dev/null >&2
