package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

var postgresDSN string

// startPostgres runs a private server with its defaults, which are durable, and 1 GiB of buffers like MariaDB's. Being
// root it becomes the user postgres, since the server refuses root.
func startPostgres() (stop func(), err error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return nil, errors.New("PostgreSQL is not installed (apt-get install postgresql)")
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("/tmp", "fayi-pg-")
	if err != nil {
		return nil, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	srv := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "shared_buffers=1GB", "-c", "max_connections=100")
	srv.SysProcAttr, srv.Dir = attr, dir
	if err := srv.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = srv.Process.Signal(syscall.SIGINT)
		_ = srv.Wait()
		_ = os.RemoveAll(dir)
	}
	for range 200 {
		if _, err = os.Stat(filepath.Join(dir, ".s.PGSQL.5432")); err == nil {
			if err = exec.Command(filepath.Join(bin, "pg_isready"), "-h", dir).Run(); err == nil {
				postgresDSN = fmt.Sprintf("host=%s user=bench dbname=postgres", dir)
				return stop, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, fmt.Errorf("PostgreSQL did not start: %w", err)
}
