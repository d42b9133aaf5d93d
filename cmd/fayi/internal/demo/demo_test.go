package demo

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"fayi/gateway/federation"
	"fayi/outbox"
)

func TestExchangeOnSQLite(t *testing.T) {
	dir := t.TempDir()
	level := slog.LevelError
	if os.Getenv("DEBUG") != "" {
		level = slog.LevelDebug
	}
	ctx := t.Context()
	n := 500
	if v := os.Getenv("FAYI_DEMO_RECORDS"); v != "" {
		n, _ = strconv.Atoi(v)
	}
	d, err := Start(ctx, Options{
		Dir: dir, Records: n, Seed: 1, Driver: outbox.SQLite,
		DSN:         func(_ context.Context, id string) (string, error) { return filepath.Join(dir, id, "fayi.db"), nil },
		WriteConfig: func(m *federation.Member) (string, error) { return filepath.Join(m.Dir, "fayi.yaml"), nil },
		Log:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	res, err := d.Exchange(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !res.Verified {
		for _, f := range res.Faults {
			t.Error(f)
		}
	}
	if res.Published != n || res.Published != res.Accepted+res.Rejected+res.Unchanged {
		t.Errorf("published %d, accepted %d, rejected %d, unchanged %d", res.Published, res.Accepted, res.Rejected, res.Unchanged)
	}
	t.Logf("%.2f s, %d segments, nodes %+v", res.Seconds, res.Segments, res.Nodes)
}
