package mariadbd

import (
	"bytes"
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
	"time"
)

const (
	startLimit = 60 * time.Second // a busy two-core machine needs seconds
	pollEvery  = 10 * time.Millisecond
	maxSocket  = 100 // bytes; the system's limit is 107
)

// ErrAbsent is returned by [Launch] where the server or its tools are not installed.
var ErrAbsent = errors.New("mariadbd or its tools are not installed")

// Server is a private server. Its methods may be called by several goroutines.
type Server struct {
	dir  string // everything the server writes
	port int
	args []string

	mu    sync.Mutex
	guard *exec.Cmd      // owns the mariadbd process
	line  io.WriteCloser // the guard acts when this is closed
}

// Small is a server for tests: durable, without binary log.
func Small() []string {
	return []string{"--max-connections=200", "--skip-log-bin", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=96M"}
}

// Durable is a server as a bureau should run one: a binary log with every row, synced like the log of the tables at
// every commit, and a buffer pool of 1 GiB.
func Durable() []string {
	return []string{"--max-connections=300", "--log-bin=bl", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=1",
		"--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--expire-logs-days=1"}
}

// Socket is the path of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s.sock") }

// Port is the server's TCP port on 127.0.0.1; user root has no password.
func (s *Server) Port() int { return s.port }

// Pid is the server's process number.
func (s *Server) Pid() (int, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// DSN is the data source name of a database, for github.com/go-sql-driver/mysql, with the settings of the node's own
// sessions (contracts.sql): UTC, binary character set, interpolated parameters.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("root@unix(%s)/%s?parseTime=true&interpolateParams=true&loc=UTC&charset=binary&time_zone=%%27%%2B00%%3A00%%27", s.Socket(), database)
}

// CreateDatabase makes an empty database as the contract asks and returns its DSN. The name is an identifier the caller made.
func (s *Server) CreateDatabase(name string) (dsn string, err error) {
	_, err = s.Client("", "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	return s.DSN(name), err
}

// DropDatabase removes a database.
func (s *Server) DropDatabase(name string) error {
	_, err := s.Client("", "DROP DATABASE "+name)
	return err
}

// Start starts a killed server again on the same data, socket and port.
func (s *Server) Start() error { return s.start() }

// Kill kills the server as a power cut would, without the operating system losing anything. Committed transactions are
// there after [Server.Start].
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end("keep")
}

// Remove kills the server and removes all it wrote.
func (s *Server) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end("")
}

// Client runs statements with the mariadb command line client, as a business system written in another language would,
// and returns what it prints: a line a row, columns separated by tabs, no headings.
func (s *Server) Client(database, statements string) (string, error) {
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

// Launch installs a data directory below os.TempDir and starts a server on it, with durable commits and args besides.
// It takes about a second.
func Launch(args ...string) (*Server, error) {
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
	s := &Server{dir: dir, args: args}
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
// removes the directory given first. The kernel closes the pipe when this process dies, however it dies.
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
	if s.guard != nil {
		return errors.New("the server runs already")
	}
	args := append([]string{"-c", guardScript, "guard", s.dir, mariadbd,
		"--no-defaults", userFlag(), "--datadir=" + filepath.Join(s.dir, "data"), "--socket=" + s.Socket(), "--tmpdir=" + s.dir,
		"--pid-file=" + filepath.Join(s.dir, "pid"), "--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--skip-name-resolve",
		"--performance-schema=OFF", "--innodb-flush-log-at-trx-commit=1", "--max-allowed-packet=64M",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin"}, s.args...)
	guard := exec.Command("/bin/sh", args...)
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
		return errors.Join(fmt.Errorf("%w\n%s", err, log[max(0, len(log)-2000):]), s.end("keep"))
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

// end ends the guard and with it the server; word tells it what to keep.
func (s *Server) end(word string) error {
	if s.guard == nil {
		return nil
	}
	guard := s.guard
	s.guard = nil
	_, err := io.WriteString(s.line, word)
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
	return "", fmt.Errorf("%w (%s not found)", ErrAbsent, name)
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
