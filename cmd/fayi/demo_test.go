package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fayi/outbox/mariadbtest"
)

// ran is what a finished process left.
type ran struct {
	stdout, stderr string
	code           int
}

// fayi runs the program in a process of its own. testscript.Main put it on the path.
func fayi(t testing.TB, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "fayi", args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// want runs the program and fails the test if it ends otherwise.
func want(t testing.TB, code int, args ...string) ran {
	t.Helper()
	r := fayi(t, args...)
	if r.code != code {
		t.Fatalf("fayi %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// server is a process that runs until it is interrupted.
type server struct {
	t      testing.TB
	cmd    *exec.Cmd
	out    *bufio.Reader
	errs   *bytes.Buffer
	killed *time.Timer
}

// serverLimit ends a process that would keep a test waiting for ever.
const serverLimit = 90 * time.Second

func start(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, cmd: exec.Command("fayi", args...), errs: &bytes.Buffer{}}
	s.cmd.Stderr = s.errs
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	s.killed = time.AfterFunc(serverLimit, func() { s.cmd.Process.Kill() })
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.cmd.Process.Kill()
			s.cmd.Wait()
		}
	})
	return s
}

// line reads the next line of standard output, waiting for it.
func (s *server) line() string {
	s.t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.cmd.Wait() // completes stderr
		s.t.Fatalf("%v ended: %v\n%s", s.cmd.Args, err, s.errs)
	}
	return line
}

// interrupt ends the process as Ctrl-C does and returns the rest of its output
// and its exit code; ten seconds are too long.
func (s *server) interrupt() (rest string, code int) {
	s.t.Helper()
	asked := time.Now()
	s.cmd.Process.Signal(os.Interrupt)
	raw, _ := io.ReadAll(s.out)
	s.cmd.Wait()
	s.killed.Stop()
	if took := time.Since(asked); took > 10*time.Second {
		s.t.Errorf("%v took %s to end", s.cmd.Args, took)
	}
	return string(raw), s.cmd.ProcessState.ExitCode()
}

// demoResult is the JSON of the demo as its reader knows it.
type demoResult struct {
	Published, Accepted, Rejected, Unchanged int
	Seconds                                  float64
	Verified                                 bool
	Nodes                                    []struct {
		ID, Role, Config string
		Local, Peers     string
		Streams          []struct {
			Stream  string
			Gen     uint64
			LastSeq uint64 `json:"last_seq"`
			Head    string
		}
	}
	Faults  []string
	Reasons []struct {
		Code  string
		Count int
	}
	Types []struct {
		Type                          string
		Accepted, Rejected, Unchanged int
	}
}

// one decodes standard output as exactly one JSON object.
func one(t testing.TB, stdout string) (r demoResult) {
	t.Helper()
	var members map[string]json.RawMessage
	dec := json.NewDecoder(strings.NewReader(stdout))
	if err := dec.Decode(&members); err != nil {
		t.Fatalf("not one JSON object: %v\n%s", err, stdout)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("more than one JSON object on standard output:\n%s", stdout)
	}
	for _, name := range []string{"published", "accepted", "rejected", "unchanged", "seconds", "verified", "nodes"} {
		if _, ok := members[name]; !ok {
			t.Errorf("the result has no member %q", name)
		}
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// judge checks a result by what it says alone: the sums, and that every copy of
// a stream ends where its origin's does.
func (r *demoResult) judge(t testing.TB, records int) {
	t.Helper()
	if r.Published != records || r.Published != r.Accepted+r.Rejected+r.Unchanged || !r.Verified || len(r.Faults) > 0 || r.Seconds <= 0 {
		t.Errorf("published %d of %d, accepted %d, rejected %d, unchanged %d, %v s, verified %v, faults %v",
			r.Published, records, r.Accepted, r.Rejected, r.Unchanged, r.Seconds, r.Verified, r.Faults)
	}
	reasons, sums := 0, [3]int{}
	for _, x := range r.Reasons {
		reasons += x.Count
	}
	for _, x := range r.Types {
		sums[0] += x.Accepted
		sums[1] += x.Rejected
		sums[2] += x.Unchanged
	}
	if reasons != r.Rejected || sums != [3]int{r.Accepted, r.Rejected, r.Unchanged} {
		t.Errorf("%d reasons for %d rejected; types sum to %v", reasons, r.Rejected, sums)
	}
	type end struct {
		gen, seq uint64
		head     string
	}
	origin := map[string]end{}
	roles := map[string]string{}
	for _, n := range r.Nodes {
		roles[n.ID] = n.Role
		for _, s := range n.Streams {
			if id, _, _ := strings.Cut(s.Stream, "/"); id == n.ID {
				origin[s.Stream] = end{s.Gen, s.LastSeq, s.Head}
			}
		}
	}
	if !maps.Equal(roles, map[string]string{"100000": "ministry", "610000": "province", "610800": "city", "610600": "city"}) {
		t.Errorf("nodes %v", roles)
	}
	holds := map[string][]string{}
	for _, n := range r.Nodes {
		for _, s := range n.Streams {
			if got := (end{s.Gen, s.LastSeq, s.Head}); got != origin[s.Stream] || s.LastSeq == 0 || len(s.Head) != 64 {
				t.Errorf("%s holds %s to %v, its origin to %v", n.ID, s.Stream, got, origin[s.Stream])
			}
			holds[s.Stream] = append(holds[s.Stream], n.ID)
		}
	}
	for name, want := range map[string][]string{
		"610800/service_venue/upstream": {"100000", "610000", "610800"},
		"610600/service_venue/upstream": {"100000", "610000", "610600"},
		"610000/lawyer/downstream":      {"610000", "610600", "610800"},
		"610000/exchange_node/public":   {"100000", "610000", "610600", "610800"},
	} {
		if got := slices.Sorted(slices.Values(holds[name])); !slices.Equal(got, want) {
			t.Errorf("%s is at %v, want %v", name, got, want)
		}
	}
}

// config is a node's fayi.yaml in a demo's folder.
func demoConfig(dir, node string) string { return filepath.Join(dir, node, "fayi.yaml") }

var quoted = regexp.MustCompile(`"[^"\n]*"`)

// The demo run once: one JSON object, true by itself; folders every other
// command works on; a second run on them; the summary a person reads.
func TestDemoOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "演示") // a folder named by a person
	r := want(t, exitOK, "demo", "-once", "-json", "-records", "300", "-dir", dir, "-listen", "127.0.0.1:0")
	res := one(t, r.stdout)
	res.judge(t, 300)
	if res.Rejected == 0 || res.Unchanged == 0 {
		t.Errorf("rejected %d, unchanged %d: the mix shows neither", res.Rejected, res.Unchanged)
	}
	if strings.Contains(r.stderr, "level=") {
		t.Errorf("a run without faults logs\n%s", r.stderr)
	}
	for _, n := range res.Nodes {
		if n.Config != demoConfig(dir, n.ID) {
			t.Errorf("config of %s is %s", n.ID, n.Config)
		}
		for _, path := range []string{n.Config, filepath.Join(dir, n.ID, "fayi.db")} {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
		var status struct {
			Sources []struct{ Waiting int }
		}
		if err := json.Unmarshal([]byte(want(t, exitOK, "outbox", "status", "-json", "-c", n.Config).stdout), &status); err != nil || len(status.Sources) != 1 || status.Sources[0].Waiting != 0 {
			t.Errorf("%s: outbox status %+v, %v", n.ID, status, err)
		}
	}
	yulin := demoConfig(dir, "610800")
	if out := want(t, exitOK, "schema", "list", "-c", yulin).stdout; !strings.Contains(out, "legal_aid_case") {
		t.Errorf("schema list: %s", out)
	}
	if out := want(t, exitOK, "peer", "list", "-c", yulin).stdout; !strings.Contains(out, "610000") || !strings.Contains(out, "陕西省司法厅") {
		t.Errorf("peer list: %s", out)
	}
	if out := want(t, exitOK, "outbox", "rejected", "-c", yulin).stdout; !strings.Contains(out, "待处理") {
		t.Errorf("outbox rejected: %s", out)
	}

	s := start(t, "serve", "-c", demoConfig(dir, "610000"))
	if line := s.line(); !strings.HasPrefix(line, "ready 610000 陕西省司法厅 peers=http://127.0.0.1:") {
		t.Errorf("serve says %q", line)
	}
	if rest, code := s.interrupt(); rest != "" || code != exitOK {
		t.Errorf("serve, interrupted: exit code %d, %s%s", code, rest, s.errs)
	}

	// Again on the same folder: the same records, most of them unchanged now.
	r = want(t, exitOK, "demo", "-once", "-records", "300", "-dir", dir, "-listen", "127.0.0.1:0", "-lang", "en")
	for _, sentence := range []string{"published 300 records: ", "\nstreams and copies ", "\nbad records and why ", "\n✔ verified: ", "\nnext: fayi outbox rejected -c "} {
		if !strings.Contains(r.stdout, sentence) {
			t.Errorf("the summary does not say %q:\n%s", sentence, r.stdout)
		}
	}
	if s := han.FindString(strings.ReplaceAll(quoted.ReplaceAllString(r.stdout+r.stderr, ""), dir, "")); s != "" {
		t.Errorf("Chinese in the English summary: %s", s)
	}
	res = one(t, want(t, exitOK, "demo", "-once", "-json", "-records", "300", "-dir", dir, "-listen", "127.0.0.1:0").stdout)
	res.judge(t, 300)
	if res.Accepted == 0 || res.Unchanged < 200 { // records that changed within the run change again
		t.Errorf("third run: accepted %d, unchanged %d", res.Accepted, res.Unchanged)
	}
}

// halfWidth finds punctuation of the other script within Chinese.
var halfWidth = regexp.MustCompile(`\p{Han}[,;:(]|[,;)]\p{Han}`)

// The summary in Chinese, and its shape: figures line up.
func TestDemoSummary(t *testing.T) {
	t.Parallel()
	r := want(t, exitOK, "demo", "-once", "-records", "120", "-dir", t.TempDir(), "-listen", "127.0.0.1:0")
	for _, sentence := range []string{"共发布 120 条：入流 ", "\n流与副本（", "\n坏记录及其被拒理由：\n", "\n✔ 已核对：", "\n继续看：fayi outbox rejected -c "} {
		if !strings.Contains(r.stdout, sentence) {
			t.Errorf("the summary does not say %q:\n%s", sentence, r.stdout)
		}
	}
	if s := halfWidth.FindString(r.stdout + r.stderr); s != "" {
		t.Errorf("half-width punctuation in %q", s)
	}
	lines := strings.Split(r.stdout, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "流与副本") {
			continue
		}
		head := lines[i+1]
		for _, row := range lines[i+2:] {
			if row == "" {
				break
			}
			if width(row) != width(head) {
				t.Errorf("figures do not line up:\n%s\n%s", head, row)
			}
		}
	}
}

// Without -once the nodes go on until they are interrupted.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, "demo", "-json", "-records", "60", "-dir", dir, "-listen", "127.0.0.1:0")
	res := one(t, s.line())
	res.judge(t, 60)
	if rest, code := s.interrupt(); rest != "" || code != exitOK {
		t.Errorf("exit code %d, standard output goes on %q\n%s", code, rest, s.errs)
	}
	// What it left in the outboxes does not confuse the next run.
	res = one(t, want(t, exitOK, "demo", "-once", "-json", "-records", "60", "-dir", dir, "-listen", "127.0.0.1:0").stdout)
	res.judge(t, 60)

	// Interrupted before there is a result, a demo that promised one has failed.
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"-once", "-json"}, exitFailed}, {[]string{"-json"}, exitOK}} {
		dir := t.TempDir()
		s := start(t, append([]string{"demo", "-records", "5000000", "-dir", dir, "-listen", "127.0.0.1:0"}, c.args...)...)
		appears(t, demoConfig(dir, "610600")) // the last thing before the records are written
		if out, code := s.interrupt(); out != "" || code != c.code {
			t.Errorf("%v: exit code %d, want %d\n%s%s", c.args, code, c.code, out, s.errs)
		}
	}
}

// appears waits for a file.
func appears(t testing.TB, path string) {
	t.Helper()
	for limit := time.Now().Add(serverLimit); ; {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s never appeared", path)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// The same against MariaDB, one database a node.
func TestDemoMySQL(t *testing.T) {
	t.Parallel()
	srv := mariadbtest.Start(t)
	dir := t.TempDir()
	dsn := fmt.Sprintf("root@unix(%s)/", srv.Socket())
	t.Cleanup(func() {
		suffix, err := os.ReadFile(filepath.Join(dir, "database-suffix"))
		if err != nil {
			return
		}
		for _, id := range []string{"100000", "610000", "610800", "610600"} {
			srv.Client(t, ")/mysql", "DROP DATABASE IF EXISTS fayi_demo_"+string(suffix)+"_"+id)
		}
	})
	for range 2 {
		res := one(t, want(t, exitOK, "demo", "-once", "-json", "-records", "150", "-dir", dir, "-mysql", dsn, "-listen", "127.0.0.1:0").stdout)
		res.judge(t, 150)
	}
	if out := want(t, exitOK, "outbox", "status", "-c", demoConfig(dir, "610800")).stdout; !strings.Contains(out, "exchange_outbox") {
		t.Errorf("outbox status: %s", out)
	}
	if n := strings.TrimSpace(srv.Client(t, ")/mysql", "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE 'fayi\\_demo\\_%'")); n != "4" {
		t.Errorf("%s databases, want one a node", n)
	}
}

// Wrong usage ends with 2 and says what is wrong; what cannot be had ends with 1.
func TestDemoUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"demo", "-records", "0"}, exitUsage, "-records 应在 1 到 5000000 之间"},
		{[]string{"demo", "-records", "5000001"}, exitUsage, "-records 应在"},
		{[]string{"demo", "-records", "many"}, exitUsage, "选项 -records 的值不正确"},
		{[]string{"demo", "-seed", "-1"}, exitUsage, "选项 -seed 的值不正确"},
		{[]string{"demo", "-twice"}, exitUsage, "没有选项 -twice"},
		{[]string{"demo", "now"}, exitUsage, "demo 不带参数"},
		{[]string{"serve", "now"}, exitUsage, "serve 不带参数"},
		{[]string{"pull"}, exitUsage, "要写且只写一个对端标识"},
		{[]string{"pull", "a", "b"}, exitUsage, "要写且只写一个对端标识"},
		{[]string{"demo", "-once", "-dir", "/dev/null/demo"}, exitFailed, ""},
		{[]string{"demo", "-once", "-listen", "nowhere"}, exitFailed, "BAD_CONFIG"},
		{[]string{"demo", "-once", "-mysql", "root@nowhere"}, exitFailed, ""},
		{[]string{"serve", "-c", "/nonexistent/fayi.yaml"}, exitFailed, "NO_FILE"},
		{[]string{"pull", "-c", "/nonexistent/fayi.yaml", "610000"}, exitFailed, "NO_FILE"},
	} {
		args := c.args
		if args[0] == "demo" && c.code == exitFailed && !slices.Contains(args, "-dir") {
			args = append(args, "-dir", t.TempDir())
		}
		r := fayi(t, args...)
		if r.code != c.code || !strings.HasPrefix(r.stderr, "fayi: ") && !strings.Contains(r.stderr, "\nfayi: ") || !strings.Contains(r.stderr, c.says) || r.stdout != "" {
			t.Errorf("%v: exit code %d, want %d\n%s%s", args, r.code, c.code, r.stdout, r.stderr)
		}
	}
}

// Help of the three commands, wholly in one language, ends in an example.
func TestHelpOfRunningCommands(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"demo", "serve", "pull"} {
		for _, lang := range []string{"zh", "en"} {
			r := want(t, exitOK, name, "-h", "-lang", lang)
			lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
			if r.stderr != "" || !strings.HasPrefix(lines[len(lines)-1], "  fayi "+name) {
				t.Errorf("%s -h -lang %s:\n%s%s", name, lang, r.stdout, r.stderr)
			}
			if s := han.FindString(r.stdout); lang == "en" && s != "" {
				t.Errorf("%s: Chinese in the English help: %s", name, s)
			}
			if s := halfWidth.FindString(r.stdout); s != "" {
				t.Errorf("%s: half-width punctuation in %q", name, s)
			}
		}
	}
}
