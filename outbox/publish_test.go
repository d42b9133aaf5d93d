package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"fayi/outbox"
)

func TestPublishChecksShape(t *testing.T) {
	ok := outbox.Record{Type: "legal_aid_case", Key: "YL-2026-00017", Payload: []byte(`{"a":1}`)}
	with := func(change func(*outbox.Record)) outbox.Record {
		r := ok
		change(&r)
		return r
	}
	key := func(k string) outbox.Record { return with(func(r *outbox.Record) { r.Key = k }) }
	body := func(p string) outbox.Record { return with(func(r *outbox.Record) { r.Payload = []byte(p) }) }
	typ := func(s string) outbox.Record { return with(func(r *outbox.Record) { r.Type = s }) }
	for name, c := range map[string]struct {
		r    outbox.Record
		code string
	}{
		"put without op":              {ok, ""},
		"del":                         {with(func(r *outbox.Record) { r.Op, r.Payload = outbox.Del, nil }), ""},
		"white space around":          {body(" \r\n\t{ }\n"), ""},
		"chinese key":                 {key("陕律证字〔2026〕第 17 号"), ""},
		"longest key":                 {key(strings.Repeat("k", 128)), ""},
		"inner space":                 {key("a b"), ""},
		"longest type":                {typ("a" + strings.Repeat("b", 47)), ""},
		"longest payload":             {body(`{"a":"` + strings.Repeat("x", outbox.MaxPayload-8) + `"}`), ""},
		"empty type":                  {typ(""), outbox.CodeType},
		"one letter":                  {typ("a"), outbox.CodeType},
		"upper case":                  {typ("Case"), outbox.CodeType},
		"type too long":               {typ("a" + strings.Repeat("b", 48)), outbox.CodeType},
		"type with newline":           {typ("legal_aid_case\n"), outbox.CodeType},
		"empty key":                   {key(""), outbox.CodeKey},
		"key too long":                {key(strings.Repeat("证", 43)), outbox.CodeKey},
		"key not utf-8":               {key("a\xff"), outbox.CodeKey},
		"space before":                {key(" a"), outbox.CodeKey},
		"space after":                 {key("a "), outbox.CodeKey},
		"ideographic space after":     {key("a\u3000"), outbox.CodeKey},
		"no-break space before":       {key("\u00a0a"), outbox.CodeKey},
		"control character":           {key("a\x00b"), outbox.CodeKey},
		"c1 control character":        {key("a\u0085b"), outbox.CodeKey},
		"delete character":            {key("a\x7fb"), outbox.CodeKey},
		"unknown op":                  {with(func(r *outbox.Record) { r.Op = "PUT" }), outbox.CodeOp},
		"put without payload":         {with(func(r *outbox.Record) { r.Payload = nil }), outbox.CodePayload},
		"del with payload":            {with(func(r *outbox.Record) { r.Op = outbox.Del }), outbox.CodePayload},
		"array":                       {body(`[1]`), outbox.CodePayload},
		"string":                      {body(`"{"`), outbox.CodePayload},
		"two objects":                 {body(`{}{}`), outbox.CodePayload},
		"cut off":                     {body(`{"a":`), outbox.CodePayload},
		"bad utf-8 in a string":       {body("{\"a\":\"\xff\"}"), outbox.CodePayload},
		"byte order mark":             {body("\ufeff{}"), outbox.CodePayload},
		"vertical tab is not a space": {body("\v{}"), outbox.CodePayload},
		"payload too long":            {body(`{"a":"` + strings.Repeat("x", outbox.MaxPayload-7) + `"}`), outbox.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			var db recorder
			err := outbox.Publish(t.Context(), &db, c.r)
			if c.code == "" {
				if err != nil || db.calls != 1 {
					t.Errorf("%d statements, %v", db.calls, err)
				}
				return
			}
			var e *outbox.Error
			if !errors.As(err, &e) || e.Code != c.code || db.calls != 0 {
				t.Fatalf("got %v after %d statements, want %s before any", err, db.calls, c.code)
			}
			if e.Message == "" || e.MessageEN == "" || e.Hint == "" || !strings.Contains(err.Error(), e.MessageEN) {
				t.Errorf("incomplete error %+v", e)
			}
			if k := c.r.Key; k != "" && k != ok.Key && len(k) > 3 && strings.Contains(err.Error()+e.Message, k) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// recorder counts statements without a database.
type recorder struct{ calls int }

func (r *recorder) ExecContext(context.Context, string, ...any) (sql.Result, error) {
	r.calls++
	return nil, nil
}

func TestPublishToBadTable(t *testing.T) {
	var db recorder
	r := outbox.Record{Type: "legal_aid_case", Key: "1", Payload: []byte(`{}`)}
	for _, table := range []string{"", "x; DROP TABLE y", "Exchange", "1a", strings.Repeat("a", 49)} {
		if err := outbox.PublishTo(t.Context(), &db, table, r); err == nil || db.calls != 0 {
			t.Errorf("%q: %v", table, err)
		}
		if _, err := outbox.NewReader(nil, outbox.MySQL, table); err == nil {
			t.Errorf("reader of %q", table)
		}
		if err := outbox.InstallSource(t.Context(), &db, outbox.MySQL, table); err == nil || db.calls != 0 {
			t.Errorf("install %q", table)
		}
	}
	if err := outbox.Install(t.Context(), &db, "oracle"); err == nil {
		t.Error("unknown dialect installed")
	}
}

func TestInstallTwice(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		e.publish(t, "1")
		install(t, e)
		for range 2 {
			if err := outbox.InstallSource(t.Context(), e.db, e.d, "exchange_outbox_aid"); err != nil {
				t.Fatal(err)
			}
		}
		e.exec(t, "INSERT INTO exchange_outbox_aid (record_type, record_key, op) VALUES ('legal_aid_case', '2', 'del')")
		if got := len(e.read(t)); got != 1 {
			t.Errorf("%d rows after the second installation", got)
		}
		r, err := outbox.NewReader(e.db, e.d, "exchange_outbox_aid")
		if err != nil {
			t.Fatal(err)
		}
		rows, _, err := r.Read(t.Context(), outbox.Limit{})
		if err != nil || len(rows) != 1 || rows[0].Op != "del" {
			t.Errorf("source table: %+v, %v", rows, err)
		}
	})
}

// A row lives if and only if its transaction commits (P1).
func TestPublishIsPartOfTheTransaction(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		e.exec(t, "CREATE TABLE business (v INT)")
		work := func(ctx context.Context, tx outbox.Execer, key string) error {
			if _, err := tx.ExecContext(ctx, "INSERT INTO business VALUES (1)"); err != nil {
				return err
			}
			return outbox.Publish(ctx, tx, outbox.Record{Type: "legal_aid_case", Key: key, Payload: []byte(`{"a":1}`)})
		}
		driver := map[outbox.Dialect]string{outbox.MySQL: "mysql", outbox.SQLite: "sqlite3"}[e.d]
		x := sqlx.NewDb(e.db, driver)
		for _, commit := range []bool{true, false} {
			suffix := map[bool]string{true: "", false: " rolled back"}[commit]
			tx := e.begin(t)
			if err := work(t.Context(), tx, "std"+suffix); err != nil {
				t.Fatal(err)
			}
			end(t, tx, commit)
			xtx := x.MustBegin()
			if err := work(t.Context(), xtx, "sqlx"+suffix); err != nil {
				t.Fatal(err)
			}
			end(t, xtx, commit)
		}
		var keys []string
		for _, r := range e.read(t) {
			keys = append(keys, string(r.Key))
		}
		if diff := cmp.Diff([]string{"std", "sqlx"}, keys); diff != "" {
			t.Error(diff)
		}
		var n int
		if err := e.db.QueryRow("SELECT COUNT(*) FROM business").Scan(&n); err != nil || n != 2 {
			t.Errorf("%d business rows, %v", n, err)
		}
	})
}

func end(t *testing.T, tx interface {
	Commit() error
	Rollback() error
}, commit bool) {
	t.Helper()
	f := tx.Rollback
	if commit {
		f = tx.Commit
	}
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

// The library writes what a plain INSERT writes, to the byte and the type of the cell.
func TestPublishEqualsPlainInsert(t *testing.T) {
	const columns = "record_type record_key op payload flags"
	statements := []string{
		`INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('notary_matter', '陕证-1', '{"name": "张三😀", "n": 1.50}')`,
		`INSERT INTO exchange_outbox (record_type, record_key, op, payload, flags) VALUES ('notary_matter', 'a', 'put', '{"q":"it''s"}', 'resend')`,
		`INSERT INTO exchange_outbox (record_type, record_key, op) VALUES ('notary_matter', 'b', 'del')`,
	}
	records := []outbox.Record{
		{Type: "notary_matter", Key: "陕证-1", Payload: []byte(`{"name": "张三😀", "n": 1.50}`)},
		{Type: "notary_matter", Key: "a", Op: outbox.Put, Payload: []byte(`{"q":"it's"}`), Resend: true},
		{Type: "notary_matter", Key: "b", Op: outbox.Del},
	}
	each(t, func(t *testing.T, e engine) {
		for i, r := range records {
			if err := outbox.Publish(t.Context(), e.db, r); err != nil {
				t.Fatal(err)
			}
			if e.server != nil { // the real client, in a transaction of its own
				e.server.Client(t, e.dsn, "SET autocommit=0; "+statements[i]+"; COMMIT; "+strings.Replace(statements[i], "notary_matter", "lost", 1)+"; ROLLBACK")
			} else {
				e.exec(t, statements[i])
			}
		}
		got := e.dump(t, columns)
		if len(got) != 6 {
			t.Fatalf("%d rows", len(got))
		}
		for i := 0; i < len(got); i += 2 {
			if got[i] != got[i+1] {
				t.Errorf("library and plain insert differ:\n%s\n%s", got[i], got[i+1])
			}
		}
		rows := e.read(t)
		for i, r := range rows {
			want := records[i/2]
			if want.Op == "" {
				want.Op = outbox.Put
			}
			if r.Type != want.Type || string(r.Key) != want.Key || r.Op != string(want.Op) || string(r.Payload) != string(want.Payload) ||
				r.Resend() != want.Resend || r.Null != (want.Op == outbox.Del) || r.BadCreated || r.Oversize {
				t.Errorf("read %+v, published %+v", r, want)
			}
		}
	})
}
