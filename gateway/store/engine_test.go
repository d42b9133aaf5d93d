package store_test

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"testing"

	"fayi/gateway/store"
	"fayi/gateway/storetest"
	"fayi/outbox"
)

// TestEngine admits an engine behind the MySQL protocol: the whole store suite on the server or cluster of
// FAYI_ENGINE_DSN, whose user may create databases. docs/engines.md has the commands for Galera and TiDB.
func TestEngine(t *testing.T) {
	dsn := os.Getenv("FAYI_ENGINE_DSN")
	if dsn == "" {
		t.Skip("FAYI_ENGINE_DSN names no engine; see docs/engines.md")
	}
	storetest.Exercise(t, func(t testing.TB) *store.Store { return open(t, outbox.MySQL, engineDatabase(t, dsn)) })
}

// engineDatabase creates a database that is dropped after the test.
func engineDatabase(t testing.TB, dsn string) string {
	t.Helper()
	var b [8]byte
	_, _ = rand.Read(b[:])
	name := "t_" + hex.EncodeToString(b[:])
	with, err := store.CreateDatabase(t.Context(), dsn, name)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, outbox.MySQL, with)
	t.Cleanup(func() {
		if _, err := s.DB().Exec("DROP DATABASE " + name); err != nil {
			t.Log(err)
		}
	})
	return with
}
