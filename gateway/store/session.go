package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// leanSettings keep the node's own sessions from writing every row they remove or change into the binary log again, and
// every statement's text beside its rows. A replica needs neither: each table of the node has a primary key. They save
// 12 µs of the server's time a record that leaves an outbox (docs/benchmarks.md) and need the right BINLOG ADMIN (MariaDB) or
// SESSION_VARIABLES_ADMIN (MySQL 8). A server that refuses them, or does not know them, writes as it is configured; a
// Galera node's write sets are left as they are [INFER: whole row images are what its certification is tested with].
var leanSettings = []string{
	"SET SESSION binlog_row_image = IF(@@wsrep_on, @@binlog_row_image, 'MINIMAL'), SESSION binlog_annotate_row_events = OFF", // MariaDB
	"SET SESSION binlog_row_image = 'MINIMAL'", // MySQL, which knows neither wsrep_on nor the other
}

// lean is a connector whose sessions have leanSettings where the server grants them.
type lean struct{ driver.Connector }

// Connect asks once a connection; what the server answers decides nothing else.
func (l lean) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := l.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, set := range leanSettings {
		_, err := conn.(driver.ExecerContext).ExecContext(ctx, set, nil)
		if err == nil {
			break
		}
		if refused := (*mysql.MySQLError)(nil); !errors.As(err, &refused) {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}
