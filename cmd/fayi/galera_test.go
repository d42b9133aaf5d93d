//go:build linux

package main_test

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fayi/conformance/trace"
	"fayi/gateway/store"
	"fayi/outbox/mariadbtest"
)

// cluster is three MariaDB Galera nodes on loopback, run by the script that people use too.
type cluster struct {
	dir  string
	base string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fayi-galera-") // short: the sockets' paths are bounded; open to user mysql
	if err != nil {
		t.Fatal(err)
	}
	var b [2]byte
	_, _ = rand.Read(b[:])
	c := &cluster{dir: dir, base: strconv.Itoa(12_000 + int(binary.BigEndian.Uint16(b[:]))%7_000)}
	t.Cleanup(func() { c.do(t, "stop") })
	c.do(t, "start")
	return c
}

func (c *cluster) do(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("../../deploy/galera/loopback.sh", append([]string{c.dir}, args...)...)
	cmd.Env = append(os.Environ(), "FAYI_GALERA_BASE="+c.base)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("loopback.sh %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// sql asks one node by its own socket.
func (c *cluster) sql(t *testing.T, node, database, statement string) string {
	t.Helper()
	out, err := exec.Command("mariadb", "--no-defaults", "-uroot", "-S", filepath.Join(c.dir, "n"+node, "s.sock"), "-N", "-B", "-e", statement, database).CombinedOutput()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", node, err, out)
	}
	return strings.TrimSpace(string(out))
}

// database makes one that all nodes of the cluster serve.
func (c *cluster) database(t *testing.T) (dsn, name string) {
	t.Helper()
	var b [4]byte
	_, _ = rand.Read(b[:])
	name = "fayi_" + hex.EncodeToString(b[:])
	dsn, err := store.CreateDatabase(t.Context(), c.do(t, "dsn"), name)
	if err != nil {
		t.Fatal(err)
	}
	return dsn, name
}

// TestGaleraLosesNothing runs a city on a cluster of three database nodes while records flow both ways. The database
// node that serves it is killed with kill -9 and comes back; then the one that serves it now is cut off from the other
// two, while it can still be reached, and is joined again. Nobody touches Fayi meanwhile. Every commit the business was
// told of is on every database node, and the trace checker finds each record exchanged exactly once (P1–P3).
//
//	FAYI_LONG=1 go test ./cmd/fayi -run GaleraLosesNothing -v -timeout 20m
func TestGaleraLosesNothing(t *testing.T) {
	if os.Getenv("FAYI_LONG") != "1" {
		t.Skip("a cluster takes minutes: FAYI_LONG=1, see docs/engines.md")
	}
	c := newCluster(t)
	dsn, name := c.database(t)
	province, city := pairOn(t, mariadbtest.Start(t).Database(t), dsn)
	nodes := []*process{province, city}
	businesses := []*business{newBusiness(t, province, 20), newBusiness(t, city, 40)}
	businesses[1].survives = true
	for _, p := range nodes {
		p.serve(t)
	}

	seed := uint64(0)
	random := func() *mrand.Rand { seed++; return mrand.New(mrand.NewPCG(seed, 0)) }
	endLoad, endConsumers := load(t, businesses, random)
	// flows waits until records of the city have reached the province that were committed from now on.
	flows := func(when string) {
		t.Helper()
		begin := time.Now()
		acked := businesses[1].acknowledged.Load()
		eventually(t, 2*time.Minute, "commits go on "+when, func() (bool, error) { return businesses[1].acknowledged.Load() > acked+200, nil })
		var at store.Head
		eventually(t, 2*time.Minute, "records arrive "+when, func() (bool, error) {
			st, err := province.store.StreamByName(t.Context(), cityID+"/consultation/upstream")
			if err != nil {
				return false, nil
			}
			if at == (store.Head{}) {
				at = st.Head
			}
			return st.Seq > at.Seq+50, nil
		})
		t.Logf("%s: commits and records flow again after %v", when, time.Since(begin).Round(100*time.Millisecond))
	}
	serving := func() string {
		var n string
		if err := city.db.QueryRow("SELECT @@wsrep_node_name").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(n, "n")
	}

	flows("at first")
	victim := serving()
	c.do(t, "kill", victim)
	flows("with database node " + victim + " killed")
	c.do(t, "rejoin", victim)
	flows("with database node " + victim + " back")
	victim = serving()
	c.do(t, "isolate", victim)
	flows("with database node " + victim + " cut off")
	c.do(t, "heal", victim)
	flows("with database node " + victim + " joined again")

	endLoad()
	settle(t, true, nodes...)
	endConsumers()
	for _, p := range nodes {
		p.stop(t)
	}

	for _, node := range []string{"1", "2", "3"} {
		have, err := strconv.ParseInt(c.sql(t, node, name, "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM biz_log"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if acked := businesses[1].acknowledged.Load(); have < acked {
			t.Errorf("database node %s has %d rows of %d acknowledged", node, have, acked)
		}
	}
	var in trace.Input
	for i, p := range nodes {
		if businesses[i].err != nil {
			t.Error(businesses[i].err)
		}
		d := p.dump(t)
		log, applied, err := businesses[i].logs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d.Applied = applied
		in.Dumps, in.Business, in.Events = append(in.Dumps, d), append(in.Business, log), append(in.Events, p.events(t)...)
		t.Logf("%s: %d rows committed, %d acknowledged, %d rejected, %d taken from the inbox",
			p.id, len(log.Committed), businesses[i].acknowledged.Load(), len(d.Rejected), len(applied))
	}
	judge(t, in, trace.Invariants()...)
}
