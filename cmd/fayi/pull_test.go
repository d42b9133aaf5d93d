package main

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// pulled is the JSON of fayi pull as its reader knows it.
type pulled struct {
	Records, Refused int
	Held             []string
	Streams          []struct {
		Stream, File, Head string
		Gen                uint64
		LastSeq            uint64 `json:"last_seq"`
		Records            int
	}
	Faults map[string]int
}

// The command against the demo's nodes while they live: Yulin asks the province
// for what the province publishes downwards.
func TestPull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nodes := start(t, "demo", "-json", "-records", "200", "-dir", dir, "-listen", "127.0.0.1:0")
	one(t, nodes.line())
	yulin, out := demoConfig(dir, "610800"), filepath.Join(dir, "收件")

	var res pulled
	if err := json.Unmarshal([]byte(want(t, exitOK, "pull", "-json", "-c", yulin, "-o", out, "610000").stdout), &res); err != nil {
		t.Fatal(err)
	}
	const lawyers = "610000/lawyer/downstream"
	found := false
	for _, s := range res.Streams {
		if s.Stream == lawyers {
			found = s.LastSeq > 0 && s.Records == int(s.LastSeq) && s.File == filepath.Join(out, "610000__lawyer__downstream.ndjson") && len(s.Head) == 64
		}
	}
	if !found || res.Records == 0 || res.Refused != 0 || len(res.Held) != 0 || len(res.Faults) != 0 {
		t.Errorf("%+v", res)
	}
	// In words, into the same folder: only what is new.
	for lang, sentence := range map[string]string{"zh": `^共写入 \d+ 条记录，拒收 0 条，目录 `, "en": `^\d+ records written, 0 refused, in `} {
		if r := want(t, exitOK, "pull", "-lang", lang, "-c", yulin, "-o", out, "-ack", "610000"); !regexp.MustCompile(sentence).MatchString(r.stdout) || r.stderr != "" {
			t.Errorf("%s%s", r.stdout, r.stderr)
		}
	}

	// As XML, which `fayi schema check` reads: all that was pulled is right.
	if err := json.Unmarshal([]byte(want(t, exitOK, "pull", "-json", "-format", "xml", "-c", yulin, "-o", out, "610000").stdout), &res); err != nil {
		t.Fatal(err)
	}
	doc := filepath.Join(out, "610000__lawyer__downstream.xml")
	if r := want(t, exitOK, "schema", "check", "-type", "lawyer", doc); !regexp.MustCompile(`(?m)^共检查 [1-9]\d* 条记录，0 条不合格$`).MatchString(r.stdout) {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	want(t, exitUsage, "pull", "-format", "csv", "-c", yulin, "-o", out, "610000")

	// Following, it sees what the demo goes on to publish, until Ctrl-C. Of the
	// five records a second some are lawyers of the province.
	file := filepath.Join(out, "610000__lawyer__downstream.ndjson")
	before := size(t, file)
	f := start(t, "pull", "-json", "-follow", "-c", yulin, "-o", out, "610000")
	for limit := time.Now().Add(serverLimit); size(t, file) == before; {
		if time.Now().After(limit) {
			t.Fatal("nothing new was ever written")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if rest, code := f.interrupt(); code != exitOK || json.Unmarshal([]byte(rest), &res) != nil {
		t.Errorf("exit code %d\n%s%s", code, rest, f.errs)
	}

	// A byte changed underneath the province is refused with a code and exit 3.
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "610000", "fayi.db")+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const first = " WHERE first_seq=1 AND stream_id=(SELECT id FROM fayi_stream WHERE name='" + lawyers + "')"
	var body []byte
	if err := db.QueryRow("SELECT body FROM fayi_body" + first).Scan(&body); err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if _, err := db.Exec("UPDATE fayi_body SET body=?"+first, body); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(dir, "fresh")
	r := want(t, exitProblem, "pull", "-c", yulin, "-o", fresh, "610000")
	if !strings.Contains(r.stdout, "未予采信：数据段打不开（CANNOT_OPEN）") {
		t.Errorf("the refusal is not named:\n%s%s", r.stdout, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(fresh, "610000__lawyer__downstream.ndjson")); !os.IsNotExist(err) {
		t.Errorf("something of the changed segment was written: %v", err)
	}

	// Whom to ask, and where, must be known.
	for _, c := range []struct{ args, says string }{
		{"100000", "（NO_PEER）"},
		{"-url ftp://127.0.0.1 610000", ""},
		{"-url http://127.0.0.1:1 610000", "（UNREACHABLE）"},
	} {
		r := want(t, exitFailed, append([]string{"pull", "-c", yulin, "-o", filepath.Join(dir, "none")}, strings.Fields(c.args)...)...)
		if !strings.HasPrefix(r.stderr, "fayi: ") || !strings.Contains(r.stderr, c.says) || !strings.Contains(r.stderr, "建议：") || r.stdout != "" {
			t.Errorf("%s:\n%s%s", c.args, r.stdout, r.stderr)
		}
	}
	nodes.interrupt()
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
