package main

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/oagudo/outbox"
)

// Tuned: 500 messages a tick of 10 ms instead of 100 every 10 s, deleted 500 at a time instead of 20.
var oagudoPeer = peer{
	module: "github.com/oagudo/outbox",
	setup: func(ctx context.Context, db *sql.DB) error {
		for _, q := range []string{ // its README, MySQL
			"CREATE TABLE outbox (id BINARY(16) PRIMARY KEY, created_at TIMESTAMP(3) NOT NULL, scheduled_at TIMESTAMP(3) NOT NULL, metadata BLOB, payload BLOB NOT NULL, times_attempted INT NOT NULL)",
			"CREATE INDEX idx_outbox_created_at ON outbox (created_at)",
			"CREATE INDEX idx_outbox_scheduled_at ON outbox (scheduled_at)",
		} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		return nil
	},
	fill: func(ctx context.Context, db *sql.DB, records [][]byte) error {
		past := time.Now().UTC().Add(-time.Minute) // it looks at whole seconds
		for len(records) > 0 {
			n := min(200, len(records))
			var args []any
			for _, r := range records[:n] {
				m := outbox.NewMessage(r)
				id, err := m.ID.MarshalBinary()
				if err != nil {
					return err
				}
				args = append(args, id, past, past, nil, r, 0)
			}
			q := "INSERT INTO outbox (id,created_at,scheduled_at,metadata,payload,times_attempted) VALUES (?,?,?,?,?,?)" + strings.Repeat(",(?,?,?,?,?,?)", n-1)
			if _, err := db.ExecContext(ctx, q, args...); err != nil {
				return err
			}
			records = records[n:]
		}
		return nil
	},
	publish: func(ctx context.Context, db *sql.DB, record []byte) error {
		w := outbox.NewWriter(outbox.NewDBContext(db, outbox.SQLDialectMySQL))
		return w.Write(ctx, outbox.NewMessage(record), func(ctx context.Context, tx outbox.TxQueryer) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO business (note) VALUES ('x')")
			return err
		})
	},
	relay: func(ctx context.Context, db *sql.DB, post func([]byte) error) error {
		r := outbox.NewReader(outbox.NewDBContext(db, outbox.SQLDialectMySQL), poster(post),
			outbox.WithInterval(10*time.Millisecond), outbox.WithReadBatchSize(500), outbox.WithDeleteBatchSize(500))
		r.Start()
		<-ctx.Done()
		return r.Stop(context.WithoutCancel(ctx))
	},
}

type poster func([]byte) error

func (p poster) Publish(_ context.Context, m *outbox.Message) error { return p(m.Payload) }
