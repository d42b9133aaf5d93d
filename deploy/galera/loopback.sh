#!/usr/bin/env bash
# A MariaDB Galera cluster of three nodes on this machine's loopback, to try and to test a node's store on.
#
#   deploy/galera/loopback.sh DIR start          three nodes; prints the data source name for fayi.yaml
#   deploy/galera/loopback.sh DIR status         size, state and address of each node
#   deploy/galera/loopback.sh DIR kill N         kill -9 node N (1, 2 or 3)
#   deploy/galera/loopback.sh DIR rejoin N       start node N again; it fetches what it missed
#   deploy/galera/loopback.sh DIR isolate N      cut node N off from the other two, while clients still reach it
#   deploy/galera/loopback.sh DIR heal N         join it again
#   deploy/galera/loopback.sh DIR dsn            the data source name
#   deploy/galera/loopback.sh DIR stop           stop all and remove DIR
#
# Needs Debian's mariadb-server, galera-4 and rsync (the system's own MariaDB service need not run). Node N takes
# clients on BASE+N and talks to its group on BASE+10N … BASE+10N+2; BASE is 33060 unless FAYI_GALERA_BASE says so.
# Commits are durable. User root has no password: this is for one machine, not for a machine room.
set -euo pipefail
PATH="$PATH:/usr/sbin"

dir=${1:?a directory, then start, status, kill, rejoin, isolate, heal, dsn or stop}
do=${2:?start, status, kill, rejoin, isolate, heal, dsn or stop}
node=${3:-}
mkdir -p "$dir"
chmod 755 "$dir" # user mysql must reach the data directories
[ -e "$dir/base" ] || echo "${FAYI_GALERA_BASE:-33060}" >"$dir/base"
base=$(cat "$dir/base")
user=$(id -un)
[ "$user" != root ] || user=mysql # as root rsync would drop to nobody and find nothing

provider=
for f in /usr/lib/galera/libgalera_smm.so /usr/lib64/galera-4/libgalera_smm.so /usr/lib/libgalera_smm.so; do
	[ ! -e "$f" ] || provider=$f
done
[ -n "$provider" ] || { echo "libgalera_smm.so not found: install galera-4" >&2; exit 1; }
command -v mariadbd rsync mariadb >/dev/null || { echo "install mariadb-server and rsync" >&2; exit 1; }

group() { echo $((base + 10 * $1)); }
members() { for i in 1 2 3; do printf '%s127.0.0.1:%s' "${sep:-}" "$(group "$i")"; sep=,; done; }
sql() { mariadb --no-defaults -uroot -S "$dir/n$1/s.sock" --connect-timeout=5 -N -B -e "$2"; }
pid() { cat "$dir/n$1/spid" 2>/dev/null; }
alive() { local p; p=$(pid "$1") && kill -0 "$p" 2>/dev/null; }
crash() { local p; p=$(pid "$1") && kill -9 "$p" 2>/dev/null; }

# launch N [options]: one server in the background.
launch() {
	local i=$1 d=$dir/n$1 g
	shift
	g=$(group "$i")
	mkdir -p "$d"
	[ "$(id -un)" = "$user" ] || chown "$user" "$d"
	[ -d "$d/data/mysql" ] || mariadb-install-db --no-defaults --user="$user" --datadir="$d/data" \
		--auth-root-authentication-method=normal --skip-test-db >"$d/install.log" 2>&1
	setsid mariadbd --no-defaults --user="$user" --datadir="$d/data" --socket="$d/s.sock" --pid-file="$d/pid" --tmpdir="$d" \
		--log-error="$d/err.log" --bind-address=127.0.0.1 --port=$((base + i)) --skip-name-resolve --performance-schema=OFF \
		--innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=128M --innodb-log-file-size=96M --max-allowed-packet=64M \
		--character-set-server=utf8mb4 --collation-server=utf8mb4_bin --binlog-format=ROW --default-storage-engine=InnoDB \
		--innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-provider="$provider" --wsrep-cluster-name=fayi \
		--wsrep-node-name="n$i" --wsrep-node-address="127.0.0.1:$g" --wsrep-sst-method=rsync \
		--wsrep-sst-receive-address="127.0.0.1:$((g + 2))" --wsrep-cluster-address="gcomm://$(members)" \
		--wsrep-provider-options="gmcast.listen_addr=tcp://127.0.0.1:$g;ist.recv_addr=127.0.0.1:$((g + 1));ist.recv_bind=127.0.0.1:$((g + 1));gcache.size=128M;base_dir=$d/data;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S" \
		"$@" >>"$d/out.log" 2>&1 </dev/null &
	echo $! >"$d/spid"
}

# ready N: until node N takes statements, at most two minutes.
ready() {
	local k
	for k in $(seq 1200); do
		[ "$(sql "$1" "SHOW STATUS LIKE 'wsrep_ready'" 2>/dev/null | cut -f2)" = ON ] && return 0
		alive "$1" || break
		sleep 0.1
	done
	tail -20 "$dir/n$1/err.log" >&2
	echo "node $1 did not become ready" >&2
	return 1
}

dsn() { echo "root@failover(127.0.0.1:$((base + 1)),127.0.0.1:$((base + 2)),127.0.0.1:$((base + 3)))/"; }

case "$do" in
start)
	launch 1 --wsrep-new-cluster
	ready 1
	for i in 2 3; do
		launch "$i"
		ready "$i"
	done
	dsn
	;;
status)
	for i in 1 2 3; do
		state=$(sql "$i" "SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size','wsrep_cluster_status','wsrep_local_state_comment','wsrep_ready')" 2>/dev/null |
			tr '\t\n' '= ') || state=down
		echo "n$i 127.0.0.1:$((base + i)) ${state:-down}"
	done
	;;
kill) crash "${node:?which node}" ;;
rejoin)
	launch "${node:?which node}"
	ready "$node"
	;;
isolate) sql "${node:?which node}" "SET GLOBAL wsrep_provider_options='gmcast.isolate=1'" ;;
heal)
	sql "${node:?which node}" "SET GLOBAL wsrep_provider_options='gmcast.isolate=0'"
	ready "$node"
	;;
dsn) dsn ;;
stop)
	for i in 3 2 1; do crash "$i" || true; done
	for i in 3 2 1; do while alive "$i"; do sleep 0.1; done; done
	rm -rf "$dir"
	;;
*)
	sed -n '2,16s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
