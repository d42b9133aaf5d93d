// Package mariadbtest gives tests a private MariaDB server (package mariadbd).
//
//	dsn := mariadbtest.Start(t).Database(t) // an empty database, dropped after the test
//	db, err := sql.Open("mysql", dsn)
//
// The first [Start] of a test binary starts one server, which all tests of the binary share. It takes about a second. The server lives as long
// as the test process, so that no TestMain is needed and a test that panics or times out leaves nothing behind.
//
// Where MariaDB is not installed tests are skipped, or fail if FAYI_REQUIRE_MARIADB=1.
package mariadbtest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"fayi/outbox/mariadbd"
)

// Server is the test binary's private server. Its methods may be called by parallel tests, but [Server.Kill9] and [Server.Restart] disturb
// every test that uses the server at that moment.
type Server struct{ server *mariadbd.Server }

var (
	once      sync.Once
	shared    *Server
	sharedErr error
)

// Start returns the shared server, starting it if this is the first call.
func Start(t testing.TB) *Server {
	t.Helper()
	once.Do(func() {
		s, err := mariadbd.Launch(mariadbd.Small()...)
		shared, sharedErr = &Server{s}, err
	})
	switch {
	case sharedErr == nil:
		return shared
	case errors.Is(sharedErr, mariadbd.ErrAbsent) && os.Getenv("FAYI_REQUIRE_MARIADB") != "1":
		t.Skipf("%v: to run this test, apt-get install --no-install-recommends mariadb-server (the service itself need not run)", sharedErr)
	default:
		t.Fatalf("start MariaDB: %v", sharedErr)
	}
	return nil
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return s.server.Socket() }

// Port is the server's TCP port on 127.0.0.1; user root has no password.
func (s *Server) Port() int { return s.server.Port() }

// Database creates an empty database with a random name and returns its DSN, see [mariadbd.Server.DSN]. It is dropped after the test.
func (s *Server) Database(t testing.TB) (dsn string) {
	t.Helper()
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	name := "t_" + hex.EncodeToString(b[:])
	dsn, err := s.server.CreateDatabase(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.server.DropDatabase(name) }) // the server may have been killed by the test
	return dsn
}

// Client runs statements with the mariadb command line client in the database of dsn, see [mariadbd.Server.Client].
func (s *Server) Client(t testing.TB, dsn, statements string) (stdout string) {
	t.Helper()
	_, rest, _ := strings.Cut(dsn, ")/")
	name, _, _ := strings.Cut(rest, "?")
	out, err := s.server.Client(name, statements)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Kill9 kills the server, see [mariadbd.Server.Kill]. Committed transactions are there after [Server.Restart].
func (s *Server) Kill9(t testing.TB) {
	t.Helper()
	if err := s.server.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the server again on the same data, socket and port, killing it first if it runs.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill9(t)
	if err := s.server.Start(); err != nil {
		t.Fatal(err)
	}
}
