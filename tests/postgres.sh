#!/usr/bin/env bash
# Makes sure of the PostgreSQL programs that the tests start their own servers with; installs Debian's where there
# are none. No service is started and no cluster made by it, and one that is there is left alone.
set -euo pipefail

# Where tests/src/postgres.rs looks.
found() { command -v postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres'; } >/dev/null
found && exit

fail() {
  echo "the tests need PostgreSQL, and $1; install the Debian package \`postgresql\`" >&2
  exit 1
}
command -v apt-get >/dev/null || fail "there is no apt-get to install it with"
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "installing it takes root or sudo"
  root=(sudo)
fi
install() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

echo "installing PostgreSQL for the tests" >&2
"${root[@]}" apt-get update -q >&2 || fail "apt-get update failed"
# Its settings first: the server's package makes a cluster, and starts it, unless they say no.
install postgresql-common >&2 || fail "apt-get could not install it"
"${root[@]}" sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
install postgresql >&2 || fail "apt-get could not install it"
found || fail "the package brought none"
