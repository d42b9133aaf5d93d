package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
)

// Some rows need nodes in a process of their own, so that their processor time and memory can be told from the
// measuring. That process is this program again, started with SceneEnv set.

// SceneEnv names the file with the plan of the nodes that [Serve] runs.
const SceneEnv = "FAYI_BENCH_SCENE"

// Serve runs nodes of a scene another process built. It writes their addresses to stdout, a JSON object on one line, and
// ends when stdin does.
func Serve(ctx context.Context, file string, stdin io.Reader, stdout io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	f, err := p.build(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	urls := map[string]string{}
	for _, m := range f.Members {
		if urls[m.ID] = m.Node.PeerURL(); slices.Contains(p.Run, m.ID) {
			g.Go(func() error { return m.Node.Run(ctx) })
		}
	}
	if err := json.NewEncoder(stdout).Encode(urls); err != nil {
		return err
	}
	if p.Profile != "" {
		out, err := os.Create(p.Profile)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	_, err = io.Copy(io.Discard, stdin)
	stop()
	return errors.Join(err, g.Wait())
}

// process is nodes running in a process of their own.
type process struct {
	cmd  *exec.Cmd
	line io.Closer
	urls map[string]string
}

// spawn runs nodes of the scene in another process on so many cores; 0 for all.
func (s *scene) spawn(ctx context.Context, cores int, ids ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := s.plan
	p.Run = ids
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	file := p.Dir + ".json"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, exe, "bench")
	c.Env = append(os.Environ(), SceneEnv+"="+file)
	if cores > 0 {
		c.Env = append(c.Env, "GOMAXPROCS="+strconv.Itoa(cores))
	}
	c.Stderr = os.Stderr
	line, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	n := &process{cmd: c, line: line}
	answer, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(answer, &n.urls)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the nodes' process: %w", err), n.end())
	}
	return n, nil
}

func (n *process) pid() int { return n.cmd.Process.Pid }

func (n *process) end() error { return errors.Join(n.line.Close(), n.cmd.Wait()) }
