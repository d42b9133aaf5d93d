package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Tuned: 1,000 workers, looking every 10 ms with 1 ms between fetches.
const riverWorkers = 1000

var riverPool *pgxpool.Pool

type job struct {
	Record json.RawMessage `json:"record"`
}

func (job) Kind() string { return "record" }

type worker struct {
	river.WorkerDefaults[job]
	post func([]byte) error
}

func (w *worker) Work(_ context.Context, j *river.Job[job]) error { return w.post(j.Args.Record) }

var riverPeer = peer{
	module: "github.com/riverqueue/river",
	setup: func(ctx context.Context, _ *sql.DB) error {
		cfg, err := pgxpool.ParseConfig(postgresDSN)
		if err != nil {
			return err
		}
		cfg.MaxConns = 2 * connections
		if riverPool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
			return err
		}
		m, err := rivermigrate.New(riverpgxv5.New(riverPool), nil)
		if err != nil {
			return err
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return err
		}
		_, err = riverPool.Exec(ctx, "CREATE TABLE business (id BIGSERIAL PRIMARY KEY, note TEXT)")
		return err
	},
	fill: func(ctx context.Context, _ *sql.DB, records [][]byte) error {
		c, err := river.NewClient(riverpgxv5.New(riverPool), &river.Config{})
		if err != nil {
			return err
		}
		for len(records) > 0 {
			n := min(1000, len(records))
			params := make([]river.InsertManyParams, n)
			for i, r := range records[:n] {
				params[i].Args = job{r}
			}
			if _, err := c.InsertManyFast(ctx, params); err != nil {
				return err
			}
			records = records[n:]
		}
		return nil
	},
	publish: func(ctx context.Context, _ *sql.DB, record []byte) error {
		c, err := river.NewClient(riverpgxv5.New(riverPool), &river.Config{})
		if err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, riverPool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO business (note) VALUES ('x')"); err != nil {
				return err
			}
			_, err := c.InsertTx(ctx, tx, job{record}, nil)
			return err
		})
	},
	relay: func(ctx context.Context, _ *sql.DB, post func([]byte) error) error {
		workers := river.NewWorkers()
		river.AddWorker(workers, &worker{post: post})
		c, err := river.NewClient(riverpgxv5.New(riverPool), &river.Config{
			Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
			FetchCooldown: time.Millisecond, FetchPollInterval: 10 * time.Millisecond, Workers: workers,
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			return err
		}
		if err := c.Start(ctx); err != nil {
			return err
		}
		<-ctx.Done()
		return c.StopAndCancel(context.WithoutCancel(ctx))
	},
}
