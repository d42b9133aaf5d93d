package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"fayi/outbox"
)

//go:embed migrations
var migrations embed.FS

const (
	migrationTable = "fayi_migration"
	migrationLock  = "fayi_migration_lock"
	// ownSource is the outbox of the node's own records: directory entries, rejections, orders.
	ownSource = "fayi_outbox"
)

func (s *Store) provider() (p *goose.Provider, err error) {
	gd, dir := goose.DialectMySQL, "migrations/mysql"
	if s.d.kind == outbox.SQLite {
		gd, dir = goose.DialectSQLite3, "migrations/sqlite"
	}
	sub, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	db, err := s.ownerDB()
	if err != nil {
		return nil, err
	}
	p, err = goose.NewProvider(gd, db, sub, goose.WithTableName(migrationTable),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		db.Close()
	}
	return p, err
}

// Migrate brings the database to this program's version: the contract tables and the node's own outbox (package
// outbox), then the node's tables. It returns the names of the migrations it applied, none the second time. Migrations
// only expand, so that the version before keeps running beside this one (protocol §9). A database that a later
// version migrated is refused with [ErrNewerDatabase] and left as it is.
//
// Processes that migrate one MySQL database at once take turns; on SQLite they may each apply a migration. Neither that
// nor an interrupted migration does harm, since every statement may run twice.
func (s *Store) Migrate(ctx context.Context) (applied []string, err error) {
	pending, err := s.Pending(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.provider()
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer p.Close()
	if err := s.installContract(ctx); err != nil {
		return nil, fmt.Errorf("install contract tables: %w", err)
	}
	if len(pending) == 0 {
		return nil, nil
	}
	err = s.alone(ctx, func() error {
		done, err := p.Up(ctx)
		for _, r := range done {
			applied = append(applied, r.Source.Path)
		}
		return err
	})
	if err != nil {
		return applied, fmt.Errorf("migrate: %w", err)
	}
	return applied, nil
}

// alone runs fn while no other process does. MySQL commits each CREATE TABLE by itself, so two processes would meet
// half-made states; a row lock keeps them apart, since GET_LOCK is not shared by all engines and is per node on Galera
// (outbox.md §5). On SQLite each migration is one transaction, and a lock held beside it would shut it out.
func (s *Store) alone(ctx context.Context, fn func() error) error {
	if s.d.kind == outbox.SQLite {
		return fn()
	}
	if _, err := s.write.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+migrationLock+" (id INT NOT NULL PRIMARY KEY) ENGINE=InnoDB"); err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, s.d.insertIgnore+migrationLock+" (id) VALUES (1)"); err != nil {
		return err
	}
	db, err := s.ownerDB() // the lock outlasts what the pool's sessions allow a transaction
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, s.d.tx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var id int
	if err := tx.QueryRowContext(ctx, "SELECT id FROM "+migrationLock+" WHERE id=1"+s.d.forUpdate).Scan(&id); err != nil {
		return err
	}
	return fn()
}

// installContract makes the tables business systems touch, which belong to package outbox.
func (s *Store) installContract(ctx context.Context) error {
	if err := outbox.Install(ctx, s.write, s.d.kind); err != nil {
		return err
	}
	return outbox.InstallSource(ctx, s.write, s.d.kind, ownSource)
}

// Pending returns the names of migrations that [Store.Migrate] would apply, and changes nothing. A database migrated
// by a later version is [ErrNewerDatabase].
func (s *Store) Pending(ctx context.Context) ([]string, error) {
	p, err := s.provider()
	if err != nil {
		return nil, fmt.Errorf("pending migrations: %w", err)
	}
	defer p.Close()
	done, err := s.appliedVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("pending migrations: %w", err)
	}
	var names []string
	var newest int64
	for _, src := range p.ListSources() {
		newest = max(newest, src.Version)
		if !done[src.Version] {
			names = append(names, src.Path)
		}
	}
	for v := range done {
		if v > newest {
			return nil, fmt.Errorf("%w: it is at %d, the program knows %d", ErrNewerDatabase, v, newest)
		}
	}
	return names, nil
}

func (s *Store) appliedVersions(ctx context.Context) (map[int64]bool, error) {
	out := map[int64]bool{}
	rows, err := s.read.QueryContext(ctx, "SELECT version_id FROM "+migrationTable+" WHERE is_applied")
	if isNoTable(err) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out[v] = true
	}
	return out, rows.Err()
}
