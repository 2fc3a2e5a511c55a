#!/usr/bin/env bash
# Subversion's own tests, against Debian's Apache directly and through doorward over TLS, compared line by line:
#
#   tests/services/svn-suite.sh FOLDER [copy_tests.py …]
#
# FOLDER is the source of the Subversion that is installed (`apt-get source subversion`); libsvn-dev must be there too.
# Without names of tests those that move things about are run. Takes minutes; `cargo build` first, or say DOORWARD=….
set -euo pipefail

source=${1:?"which folder is the source of Subversion in? (apt-get source subversion)"}
shift
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(copy_tests.py move_tests.py lock_tests.py)
doorward=$(realpath "${DOORWARD:-target/debug/doorward}")
modules=/usr/lib/apache2/modules

work=$(mktemp -d)
cleanup() {
    [ -z "${gateway:-}" ] || kill "$gateway" 2>/dev/null || true
    [ ! -e "$work/pid" ] || kill "$(cat "$work/pid")" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

cmdline=$work/subversion/tests/cmdline
mkdir -p "$work/subversion/tests" "$work/private"
cp -r "$source/subversion/tests/cmdline" "$cmdline"
area=$cmdline/svn-test-work
# One program of the tests reads a working copy without svn. What `configure` would write is of no concern to it.
echo '#define _(text) (text)
#define N_(text) text
#define Q_(one, many, count) ((count) == 1 ? (one) : (many))' >"$work/private/svn_private_config.h"
gcc -w -o "$cmdline/entries-dump" "$source/subversion/tests/cmdline/entries-dump.c" -I"$work/private" \
    -I"$source/subversion/include" -I"$source" -I"$source/subversion" -I/usr/include/apr-1.0 -D_LARGEFILE64_SOURCE \
    -lsvn_wc-1 -lsvn_subr-1 -lapr-1
mkdir -p "$area/repositories" "$area/local_tmp"
read -r apache http https < <(python3 -c '
import socket
doors = [socket.socket() for _ in range(3)]
for door in doors: door.bind(("127.0.0.1", 0))
print(*(door.getsockname()[1] for door in doors))')

for who in jrandom:rayjandom jconstant:rayjandom __dumpster__:__loadster__; do
    echo "${who%%:*}:$(openssl passwd -apr1 "${who#*:}")"
done >"$work/users"
: >"$work/mime.types"

location() { # a path, and where its repositories are
    cat <<CONF
<Location $1>
    DAV svn
    AuthType Basic
    AuthName "Subversion Repository"
    AuthUserFile $work/users
    AuthzSVNAccessFile $area/authz
    SVNListParentPath On
    $2
    Require valid-user
</Location>
CONF
}
{
    for module in mpm_prefork authn_core authn_file authz_core authz_user auth_basic alias mime dav dav_svn authz_svn; do
        echo "LoadModule ${module}_module $modules/mod_$module.so"
    done
    [ "$(id -u)" != 0 ] || printf 'User www-data\nGroup www-data\n'
    cat <<CONF
ServerRoot $work
ServerName localhost
Listen 127.0.0.1:$apache
PidFile $work/pid
ErrorLog $work/error.log
TypesConfig mime.types
DefaultRuntimeDir $work
Mutex file:$work
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot $work
CONF
    location /svn-test-work/repositories "SVNParentPath $area/repositories"
    location /svn-test-work/local_tmp/repos "SVNPath $area/local_tmp/repos"
    location /svn-test-work/local_tmp/trojan "SVNPath $area/local_tmp/trojan"
} >"$work/apache.conf"

cat >"$work/main.vcl" <<RULES
gateway { .http = "127.0.0.1:$http"; .https = "127.0.0.1:$https"; .state = "state"; .workers = 1; }
backend apache { .url = "http://127.0.0.1:$apache"; }
site "localhost" {
    route "/" { .backend = apache; .serves = subversion; .body_timeout = 10m; }
}
RULES
chmod 755 "$work"

as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    # What the tests make, Apache must be able to change.
    chown -R www-data:www-data "$work/subversion"
    as() { runuser -u www-data -- env HOME="$cmdline" "$@"; }
fi
mkdir "$work/state"
/usr/sbin/apache2 -f "$work/apache.conf"
"$doorward" serve "$work/main.vcl" >"$work/doorward.log" 2>&1 &
gateway=$!
root=
for _ in $(seq 600); do
    root=$(find "$work/state" -name root.pem | head -1)
    [ -n "$root" ] && curl -sk "https://localhost:$https/" >/dev/null && break
    kill -0 "$gateway" || { cat "$work/doorward.log" >&2; exit 1; }
    sleep 0.1
done
cp "$root" "$cmdline/root.pem"
chmod 644 "$cmdline/root.pem"
# The tests' own way to trust a certificate is Python 2's; svn's own is a line in its `servers`.
sed -i "s|^store-plaintext-passwords=yes|ssl-authority-files=$cmdline/root.pem\n&|" "$cmdline/svntest/main.py"

different=0
for test in "${tests[@]}"; do
    for way in "direct http://localhost:$apache" "through https://localhost:$https"; do
        read -r name url <<<"$way"
        (cd "$cmdline" &&
            as python3 "$test" --url="$url" --bin=/usr/bin --fs-type=fsfs --http-library=serf --cleanup) \
            >"$work/$name.said" 2>&1 || true
        grep -E '^(PASS|FAIL|XFAIL|XPASS|SKIP): ' "$work/$name.said" >"$work/$name" || {
            tail -20 "$work/$name.said" >&2
            exit 1
        }
    done
    passed() { grep -cE '^(PASS|XFAIL)' "$work/$1" || true; }
    echo "$test: $(passed direct) of $(wc -l <"$work/direct") as expected directly, $(passed through) through doorward"
    diff "$work/direct" "$work/through" || different=1
done
exit $different
