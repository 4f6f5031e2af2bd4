#!/usr/bin/env bash
# Makes sure of what the tests start beside the program: the PostgreSQL programs, for servers of their own, and
# libfaketime, for hosts with wrong clocks; installs Debian's where there are none. No service is started and no
# cluster made by it, and one that is there is left alone.
set -euo pipefail

# Where tests/src/postgres.rs and tests/tests/faults/clocks.rs look.
has_postgresql() { command -v postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres'; } >/dev/null
has_libfaketime() { [ -e "/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1" ]; }
missing=()
has_postgresql || missing+=(postgresql)
has_libfaketime || missing+=(libfaketime)
[ ${#missing[@]} -gt 0 ] || exit 0

fail() {
  echo "the tests need ${missing[*]}, and $1; install the Debian packages: ${missing[*]}" >&2
  exit 1
}
command -v apt-get >/dev/null || fail "there is no apt-get to install it with"
root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "installing it takes root or sudo"
  root=(sudo)
fi
install() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

echo "installing for the tests: ${missing[*]}" >&2
"${root[@]}" apt-get update -q >&2 || fail "apt-get update failed"
if ! has_postgresql; then
  # Its settings first: the server's package makes a cluster, and starts it, unless they say no.
  install postgresql-common >&2 || fail "apt-get could not install it"
  "${root[@]}" sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
fi
install "${missing[@]}" >&2 || fail "apt-get could not install it"
has_postgresql && has_libfaketime || fail "the packages did not bring it"
