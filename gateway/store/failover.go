package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/go-sql-driver/mysql"
)

// failoverNet is the network of a data source name that lists several servers of one cluster, such as
// user:password@failover(10.0.0.1:3306,10.0.0.2:3306,10.0.0.3:3306)/fayi. One of them serves the process, the next
// takes its place when it fails. Writes are never spread: on Galera that costs certification conflicts (outbox.md §5a).
const failoverNet = "failover"

const maxServers = 16

// connector is how the pools reach the database cfg names.
func connector(cfg *mysql.Config) (driver.Connector, error) {
	c, err := servers(cfg)
	return session{c}, err
}

// servers connects to the one server of cfg, or to one of several.
func servers(cfg *mysql.Config) (driver.Connector, error) {
	if cfg.Net != failoverNet {
		return mysql.NewConnector(cfg)
	}
	addrs := strings.Split(cfg.Addr, ",")
	if len(addrs) > maxServers {
		return nil, fmt.Errorf("%w: more than %d servers", ErrInvalid, maxServers)
	}
	f := &failover{}
	for _, addr := range addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("%w: server %q: host:port is needed", ErrInvalid, addr)
		}
		one := cfg.Clone()
		one.Net, one.Addr = "tcp", addr
		c, err := mysql.NewConnector(one)
		if err != nil {
			return nil, err
		}
		f.servers = append(f.servers, c)
	}
	return f, nil
}

// failover connects to the first server that takes statements, beginning with the one that did last.
type failover struct {
	servers []driver.Connector
	mu      sync.Mutex
	at      int
}

// Driver is the one below.
func (f *failover) Driver() driver.Driver { return f.servers[0].Driver() }

// Connect returns a connection that was ready when it was made and is given up when the server says it no longer is.
func (f *failover) Connect(ctx context.Context) (driver.Conn, error) {
	f.mu.Lock()
	first := f.at
	f.mu.Unlock()
	var errs []error
	for i := range f.servers {
		n := (first + i) % len(f.servers)
		conn, err := f.try(ctx, f.servers[n])
		if err == nil {
			f.mu.Lock()
			f.at = n
			f.mu.Unlock()
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (f *failover) try(ctx context.Context, server driver.Connector) (driver.Conn, error) {
	conn, err := server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := conn.(mysqlConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("%w: driver connection %T", ErrInvalid, conn)
	}
	if err := makeReady(ctx, c); err != nil {
		conn.Close()
		return nil, err
	}
	return &clusterConn{mysqlConn: c}, nil
}

// makeReady refuses a server outside the cluster's majority or one that only reads, and lets reads wait until what
// other servers committed before has arrived here: after a change of server nothing older may be seen.
func makeReady(ctx context.Context, c mysqlConn) error {
	readOnly, err := variable(ctx, c, "SHOW VARIABLES LIKE 'read_only'")
	if err != nil {
		return err
	}
	if readOnly == "ON" {
		return errors.New("server only reads (read_only=ON)")
	}
	cluster, err := variable(ctx, c, "SHOW VARIABLES LIKE 'wsrep_on'")
	if err != nil || cluster != "ON" {
		return err
	}
	ready, err := variable(ctx, c, "SHOW STATUS LIKE 'wsrep_ready'")
	if err != nil {
		return err
	}
	if ready != "ON" {
		return errors.New("server is not part of the cluster's majority (wsrep_ready=OFF)")
	}
	_, err = c.ExecContext(ctx, "SET SESSION wsrep_sync_wait=1", nil)
	return err
}

// variable is the second column of the first row, "" where there is none.
func variable(ctx context.Context, c mysqlConn, query string) (string, error) {
	rows, err := c.QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	dest := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(dest); err != nil || len(dest) < 2 {
		return "", nil // no such variable on this engine
	}
	switch v := dest[1].(type) {
	case []byte:
		return string(v), nil
	case string:
		return v, nil
	}
	return "", nil
}

// mysqlConn is what a connection of the driver can do beyond driver.Conn.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// clusterConn leaves a server that lost the majority at once. The refused statement was not executed, so database/sql
// may send it again over another connection; inside a transaction the whole transaction is repeated by [Store.InTx].
type clusterConn struct{ mysqlConn }

func (c *clusterConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.mysqlConn.ExecContext(ctx, query, args)
	return res, leave(err)
}

func (c *clusterConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.mysqlConn.QueryContext(ctx, query, args)
	return rows, leave(err)
}

func (c *clusterConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.mysqlConn.BeginTx(ctx, opts)
	return tx, leave(err)
}

// leave turns "not ready" into the error on which database/sql throws a connection away.
func leave(err error) error {
	var me *mysql.MySQLError
	if errors.As(err, &me) && me.Number == errNotReady {
		return driver.ErrBadConn
	}
	return err
}
