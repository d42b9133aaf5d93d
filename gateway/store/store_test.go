package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"fayi/gateway/store"
	"fayi/gateway/storetest"
	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

func openSQLite(t testing.TB) *store.Store {
	t.Helper()
	return open(t, outbox.SQLite, filepath.Join(t.TempDir(), "a node's #1 %41.db")) // a path needs escaping in a URI
}

func openMariaDB(t testing.TB) *store.Store {
	t.Helper()
	return open(t, outbox.MySQL, mariadbtest.Start(t).Database(t))
}

func open(t testing.TB, d outbox.Dialect, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), d, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSQLite(t *testing.T) { storetest.Exercise(t, openSQLite) }

func TestMariaDB(t *testing.T) {
	mariadbtest.Start(t) // skips here, before the cases, where there is none
	storetest.Exercise(t, openMariaDB)
}

// TestTwoProcesses: two stores over one database, as two processes of a node are, append to one stream at once. Of each
// round exactly one wins, and the chain stays whole.
func TestTwoProcesses(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s.db")
		twoProcesses(t, open(t, outbox.SQLite, path), open(t, outbox.SQLite, path))
	})
	t.Run("MariaDB", func(t *testing.T) {
		dsn := mariadbtest.Start(t).Database(t)
		twoProcesses(t, open(t, outbox.MySQL, dsn), open(t, outbox.MySQL, dsn))
	})
}

func twoProcesses(t *testing.T, stores ...*store.Store) {
	ctx := t.Context()
	if _, err := stores[0].Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	st, err := stores[0].EnsureStream(ctx, "610800/lawyer/upstream")
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 10
	for round := range byte(rounds) {
		st, err := stores[round%2].StreamByID(ctx, st.ID)
		if err != nil {
			t.Fatal(err)
		}
		errs := make([]error, len(stores))
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				errs[i] = s.Append(ctx, []store.Append{{Stream: st.ID, From: st.Head, Segments: []store.Segment{
					{Stream: st.ID, Gen: 1, First: st.Seq + 1, Count: 1, Prev: st.Hash, Hash: store.Hash{round, byte(i + 1)}}}}}, nil)
			})
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), store.ErrHeadMoved) {
			t.Fatalf("round %d: %v", round, errs)
		}
	}
	segs, err := stores[1].SegmentsAfter(ctx, st.ID, store.Pos{}, 100, 1<<20)
	if err != nil || len(segs) != rounds {
		t.Errorf("%d segments, %v", len(segs), err)
	}
}

// TestMigrateRaced: several processes of one node start at once on an empty database.
func TestMigrateRaced(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s.db")
		migrateRaced(t, func() *store.Store { return open(t, outbox.SQLite, path) })
	})
	t.Run("MariaDB", func(t *testing.T) {
		dsn := mariadbtest.Start(t).Database(t)
		fresh := open(t, outbox.MySQL, mariadbtest.Start(t).Database(t))
		all, err := fresh.Pending(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		applied := migrateRaced(t, func() *store.Store { return open(t, outbox.MySQL, dsn) })
		if int(applied) != len(all) {
			t.Errorf("%d migrations were applied %d times", len(all), applied)
		}
	})
}

func migrateRaced(t *testing.T, open func() *store.Store) (times int32) {
	var wg sync.WaitGroup
	var applied atomic.Int32
	for range 4 {
		s := open()
		wg.Go(func() {
			names, err := s.Migrate(t.Context())
			if err != nil {
				t.Error(err)
			}
			applied.Add(int32(len(names)))
		})
	}
	wg.Wait()
	s := open()
	if pending, err := s.Pending(t.Context()); err != nil || len(pending) != 0 {
		t.Errorf("pending %q, %v", pending, err)
	}
	return applied.Load()
}

func TestOpenRefuses(t *testing.T) {
	for _, x := range []struct {
		d   outbox.Dialect
		dsn string
	}{
		{"postgres", "x"}, {outbox.SQLite, ""}, {outbox.SQLite, ":memory:"}, {outbox.SQLite, "file:x.db?mode=ro"},
		{outbox.MySQL, "no address"}, {outbox.MySQL, "root@tcp(127.0.0.1:1)/"},
	} {
		if _, err := store.Open(t.Context(), x.d, x.dsn); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s %q: %v", x.d, x.dsn, err)
		}
	}
	if _, err := store.Open(t.Context(), outbox.MySQL, "root@tcp(127.0.0.1:1)/fayi"); err == nil {
		t.Error("opened where nobody listens")
	}
}

// TestSQLiteFileIsPrivate: the file and what SQLite puts beside it are the node's alone.
func TestSQLiteFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := open(t, outbox.SQLite, path)
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", filepath.Base(name), info.Mode())
		}
	}
}
