package sequencer_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// What the sequencer holds is bounded by a round, whatever waits: rows of 15 MB,
// which are rejected without being loaded, and a backlog of many rounds (F26).
// Not parallel: it measures the heap.
func TestMemoryIsBoundedWhateverWaits(t *testing.T) {
	const big, bigSize, small = 8, 15_000_000, 3_000
	for _, c := range []struct {
		name, payload string
		bench         func(t *testing.T) *bench
	}{
		{"sqlite", fmt.Sprintf("hex(zeroblob(%d))", bigSize/2), func(t *testing.T) *bench {
			return newBench(t, outbox.SQLite, filepath.Join(t.TempDir(), "fayi.db"))
		}},
		{"mariadb", fmt.Sprintf("REPEAT('x',%d)", bigSize), func(t *testing.T) *bench {
			return newBench(t, outbox.MySQL, mariadbtest.Start(t).Database(t))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.bench(t)
			s := b.main()
			rows := make([]row, 0, small)
			for i := range small {
				rows = append(rows, row{recordType: "legal_aid_case", key: fmt.Sprintf("YL-%d", i), payload: b.example("legal_aid_case", fmt.Sprintf("YL-%d", i), nil)})
			}
			b.insert(rows[:small/2]...)
			for i := range big {
				b.tx(func(tx *sql.Tx) error {
					_, err := tx.ExecContext(t.Context(), "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('legal_aid_case', ?, "+c.payload+")", fmt.Sprintf("BIG-%d", i))
					return err
				})
			}
			b.insert(rows[small/2:]...)
			rows = nil
			defer debug.SetGCPercent(debug.SetGCPercent(20))
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			base, peak := m.HeapAlloc, uint64(0)
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				look := time.NewTicker(2 * time.Millisecond)
				defer look.Stop()
				for {
					select {
					case <-stop:
						return
					case <-look.C:
						var m runtime.MemStats
						runtime.ReadMemStats(&m)
						peak = max(peak, m.HeapAlloc)
					}
				}
			}()
			n := b.drain(s)
			close(stop)
			<-stopped
			waited := int64(big*bigSize + small*1500)
			t.Logf("%d rows, over %d MB, taken with %d MB of heap", n, waited>>20, int64(peak-base)>>20)
			if n != big+small || len(b.rejected()) != big {
				t.Errorf("%d rows taken, %d rejected", n, len(b.rejected()))
			}
			if limit := uint64(48 << 20); peak > base+limit {
				t.Errorf("the heap grew by %d MB", int64(peak-base)>>20)
			}
		})
	}
}
