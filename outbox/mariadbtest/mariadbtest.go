// Package mariadbtest gives tests a private MariaDB server: the real one, with durable commits, on a socket and a loopback port of its own.
//
//	dsn := mariadbtest.Start(t).Database(t) // an empty database, dropped after the test
//	db, err := sql.Open("mysql", dsn)
//
// The first [Start] of a test binary installs a data directory below os.TempDir and starts one server, which all tests of the binary share. It
// takes about a second. The server lives as long as the test process: a guard process kills it and removes its directory when the test
// process ends, in whatever way, so that no TestMain is needed and a test that panics or times out leaves nothing behind.
//
// Where MariaDB is not installed tests are skipped, or fail if FAYI_REQUIRE_MARIADB=1.
package mariadbtest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	startLimit = 60 * time.Second // a busy two-core machine needs seconds
	pollEvery  = 10 * time.Millisecond
	maxSocket  = 100 // bytes; the system's limit is 107
)

// Server is the test binary's private server. Its methods may be called by parallel tests, but [Server.Kill9] and [Server.Restart] disturb
// every test that uses the server at that moment.
type Server struct {
	dir  string // everything the server writes
	port int

	mu    sync.Mutex
	guard *exec.Cmd      // owns the mariadbd process
	line  io.WriteCloser // the guard acts when this is closed
}

var (
	once      sync.Once
	shared    *Server
	sharedErr error
	errAbsent = errors.New("mariadbd or its tools are not installed")
)

// Start returns the shared server, starting it if this is the first call.
func Start(t testing.TB) *Server {
	t.Helper()
	once.Do(func() { shared, sharedErr = launch() })
	switch {
	case sharedErr == nil:
		return shared
	case errors.Is(sharedErr, errAbsent) && os.Getenv("FAYI_REQUIRE_MARIADB") != "1":
		t.Skipf("%v: to run this test, apt-get install --no-install-recommends mariadb-server (the service itself need not run)", sharedErr)
	default:
		t.Fatalf("start MariaDB: %v", sharedErr)
	}
	return nil
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s.sock") }

// Port is the server's TCP port on 127.0.0.1; user root has no password.
func (s *Server) Port() int { return s.port }

// Database creates an empty database with a random name and returns its DSN for github.com/go-sql-driver/mysql, with the settings of the
// node's own sessions (contracts.sql): UTC, binary character set, interpolated parameters. It is dropped after the test.
func (s *Server) Database(t testing.TB) (dsn string) {
	t.Helper()
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	name := "t_" + hex.EncodeToString(b[:])
	if _, err := s.run("", "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.run("", "DROP DATABASE "+name) }) // the server may have been killed by the test
	return fmt.Sprintf("root@unix(%s)/%s?parseTime=true&interpolateParams=true&loc=UTC&charset=binary&time_zone=%%27%%2B00%%3A00%%27", s.Socket(), name)
}

// Client runs statements with the mariadb command line client, as a business system written in another language would, in the database of
// dsn, and returns what it prints: a line a row, columns separated by tabs, no headings.
func (s *Server) Client(t testing.TB, dsn, statements string) (stdout string) {
	t.Helper()
	_, rest, _ := strings.Cut(dsn, ")/")
	name, _, _ := strings.Cut(rest, "?")
	out, err := s.run(name, statements)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Kill9 kills the server as a power cut would, without the operating system losing anything. Committed transactions are there after [Server.Restart].
func (s *Server) Kill9(t testing.TB) {
	t.Helper()
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
}

// Restart starts the server again on the same data, socket and port, killing it first if it runs.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) run(database, statements string) (string, error) {
	client, err := find("mariadb")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(client, "--no-defaults", "-uroot", "-S", s.Socket(), "--default-character-set=utf8mb4", "-N", "-B", database)
	cmd.Stdin = strings.NewReader(statements)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("mariadb client: %w: %s", err, strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}

// launch installs a data directory and starts a server on it.
func launch() (*Server, error) {
	install, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	for _, tool := range []string{"mariadbd", "mariadb"} {
		if _, err := find(tool); err != nil {
			return nil, err
		}
	}
	parent := os.TempDir()
	if len(parent)+len("/fayi-mariadb-0123456789/s.sock") > maxSocket {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "fayi-mariadb-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(install, "--no-defaults", userFlag(), "--datadir="+filepath.Join(dir, "data"),
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // a starting server removes other servers' temporary tables from a shared one
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mariadb-install-db: %w: %s", err, out), os.RemoveAll(dir))
	}
	s := &Server{dir: dir}
	for range 3 { // another process may take the port between finding and using it
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

// guardScript starts the server given as arguments, waits for the end of its standard input, kills the server and, unless told to keep it,
// removes the directory given first. The kernel closes the pipe when the test process dies, however it dies.
const guardScript = `dir=$1; shift
"$@" >"$dir/out.log" 2>&1 & pid=$!
word=$(cat)
kill -9 $pid; wait $pid
[ "$word" = keep ] || rm -rf "$dir"`

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	mariadbd, err := find("mariadbd")
	if err != nil {
		return err
	}
	_ = os.Remove(s.Socket())
	_ = os.Remove(filepath.Join(s.dir, "pid"))
	guard := exec.Command("/bin/sh", "-c", guardScript, "guard", s.dir, mariadbd,
		"--no-defaults", userFlag(), "--datadir="+filepath.Join(s.dir, "data"), "--socket="+s.Socket(), "--tmpdir="+s.dir,
		"--pid-file="+filepath.Join(s.dir, "pid"), "--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.port), "--skip-name-resolve",
		"--performance-schema=OFF", "--max-connections=200", "--skip-log-bin",
		"--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=96M", "--max-allowed-packet=64M",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin")
	line, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	if err := guard.Start(); err != nil {
		return err
	}
	s.guard, s.line = guard, line
	if err := s.await(); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "out.log"))
		return errors.Join(fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):]), s.killLocked())
	}
	return nil
}

// await polls until the server greets on its socket.
func (s *Server) await() error {
	deadline := time.Now().Add(startLimit)
	for {
		err := s.greets()
		if err == nil {
			return nil
		}
		if log, _ := os.ReadFile(filepath.Join(s.dir, "out.log")); bytes.Contains(log, []byte("[ERROR] Aborting")) {
			return errors.New("mariadbd gave up")
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mariadbd did not answer within %v: %w", startLimit, err)
		}
		<-time.After(pollEvery)
	}
}

func (s *Server) greets() error {
	c, err := net.DialTimeout("unix", s.Socket(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 5)) // length, number and protocol version of the greeting
	return err
}

func (s *Server) kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killLocked()
}

func (s *Server) killLocked() error {
	if s.guard == nil {
		return nil
	}
	guard := s.guard
	s.guard = nil
	_, err := io.WriteString(s.line, "keep")
	return errors.Join(err, s.line.Close(), guard.Wait())
}

// find looks where distributions put servers, which need not be in an ordinary user's PATH.
func find(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w (%s not found)", errAbsent, name)
}

// userFlag lets the server run as the current user; it refuses to run as root unless told so.
func userFlag() string {
	u, err := user.Current()
	if err != nil {
		return "--user=root"
	}
	return "--user=" + u.Username
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
