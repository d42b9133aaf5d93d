package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// leanSettings keep the node's own sessions from writing every row they remove or change into the binary log again, and
// every statement's text beside its rows. A replica needs neither: each table of the node has a primary key. They save
// some 4 µs of the server's time a record that leaves an outbox (docs/benchmarks.md) and need the right BINLOG ADMIN (MariaDB) or
// SESSION_VARIABLES_ADMIN (MySQL 8). A server that refuses them, or does not know them, writes as it is configured; a
// Galera node's write sets are left as they are [INFER: whole row images are what its certification is tested with].
var leanSettings = []string{
	"SET SESSION binlog_row_image = IF(@@wsrep_on, @@binlog_row_image, 'MINIMAL'), SESSION binlog_annotate_row_events = OFF", // MariaDB
	"SET SESSION binlog_row_image = 'MINIMAL'", // MySQL, which knows neither wsrep_on nor the other
}

// readCommitted is the isolation of every transaction (design §5). Set once a connection it saves a round trip each; a
// data source name cannot hold it, since engines name the variable differently.
const readCommitted = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

// session is a connector whose connections are as the node's statements need them.
type session struct{ driver.Connector }

// Connect returns a connection at READ COMMITTED, with leanSettings where the server grants them.
func (s session) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, conn.(driver.ExecerContext)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func prepare(ctx context.Context, conn driver.ExecerContext) error {
	if _, err := conn.ExecContext(ctx, readCommitted, nil); err != nil {
		return err
	}
	for _, set := range leanSettings {
		_, err := conn.ExecContext(ctx, set, nil)
		if refused := (*mysql.MySQLError)(nil); err == nil || !errors.As(err, &refused) {
			return err
		}
	}
	return nil
}
