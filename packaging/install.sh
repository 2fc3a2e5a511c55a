#!/bin/sh
# Installs a built doorward with its manual page, completions, unit and documents:
#
#     packaging/install.sh target/release/doorward           # as `make install` does
#     DESTDIR=/tmp/tree PREFIX=/usr packaging/install.sh …   # into a folder, for whoever makes packages
#
# It writes below $DESTDIR$PREFIX and nowhere else: the rules in /etc/doorward and the state are yours.
set -eu

program=${1:?which program? for instance target/release/doorward}
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}$prefix
here=$(cd "$(dirname "$0")/.." && pwd)
documents=$root/share/doc/doorward
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# Written by the program itself, so that they are its own.
"$program" man > "$made/doorward.1"
for shell in bash zsh fish; do
    "$program" completions "$shell" > "$made/$shell"
done
for unit in doorward.service doorward.socket; do
    sed "s|/usr/local|$prefix|g" "$here/packaging/$unit" > "$made/$unit"
done

install -D -m 755 "$program" "$root/bin/doorward"
install -D -m 644 "$made/doorward.1" "$root/share/man/man1/doorward.1"
install -D -m 644 "$made/bash" "$root/share/bash-completion/completions/doorward"
install -D -m 644 "$made/zsh" "$root/share/zsh/site-functions/_doorward"
install -D -m 644 "$made/fish" "$root/share/fish/vendor_completions.d/doorward.fish"
install -D -m 644 "$made/doorward.service" "$root/lib/systemd/system/doorward.service"
install -D -m 644 "$made/doorward.socket" "$root/lib/systemd/system/doorward.socket"

# As they lie in the repository, so that they find each other.
cd "$here"
find README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs vcl-like-rules -type f | while read -r file; do
    install -D -m 644 "$file" "$documents/$file"
done

echo "installed below $root: try \`$root/bin/doorward help\`, \`man doorward\`, $documents/docs/first-steps.md"
