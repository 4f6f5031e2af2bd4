# Owns one PostgreSQL server: makes its folder, starts it, and takes both away again.
# The test process holds the other end of stdin. That end closes however the process ends, kill -9 included;
# so no server outlives its test.
# Arguments: the folder of PostgreSQL's programs. A line of stdin is a request, and has one line as its answer.
programs=$1
set --
folder=$(mktemp -d /tmp/bihuan-pg-XXXXXX) || exit 1
cd "$folder" || exit 1
if [ "$(id -u)" -eq 0 ]; then
  # PostgreSQL refuses to run as root.
  set -- setpriv --reuid=postgres --regid=postgres --clear-groups
  chown postgres: "$folder"
fi
# An answer nobody reads any more must not end the script before it has cleaned up.
trap '' PIPE
exec 3>&1 >>"$folder/log" 2>&1
echo "$folder" >&3

postmaster=
while read -r request arguments; do
  case $request in
    start)
      # shellcheck disable=SC2086 # The arguments are words.
      "$@" "$programs/postgres" $arguments </dev/null 3>&- &
      postmaster=$!
      echo "$postmaster" >&3 ;;
    wait)
      wait "$postmaster"
      echo $? >&3
      postmaster= ;;
    *)
      # shellcheck disable=SC2086
      "$@" "$programs/$request" $arguments </dev/null 3>&-
      echo $? >&3 ;;
  esac
done

if [ -n "$postmaster" ]; then
  kill -QUIT "$postmaster"
  # What a test has paused would not hear it.
  for stat in /proc/[0-9]*/stat; do
    read -r process _ _ parent _ <"$stat" && [ "$parent" = "$postmaster" ] && kill -CONT "$process"
  done
  kill -CONT "$postmaster"
  wait "$postmaster"
fi
rm -rf "$folder"
