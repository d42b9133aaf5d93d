package sequencer_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/sequencer"
	"fayi/outbox"
	"fayi/schemas"

	"github.com/google/go-cmp/cmp"
)

var han = regexp.MustCompile(`\p{Han}`)

// Every way a row can be refused: the codes and pointers, the words a clerk
// reads, and that the row is kept whole while its neighbours flow.
func TestEveryRefusal(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		// Another source published a key first.
		other := b.sequencer(sequencer.Source{Name: "other", Table: "outbox_other", Types: []string{"*"}}, upstream)
		taken := b.consultation("ZX-TAKEN", "1")
		taken.table = "outbox_other"
		b.insert(taken)
		b.drain(other)

		s := b.sequencer(sequencer.Source{Name: "main", Table: outbox.Table, Types: []string{"consultation", "law_firm", "lawyer"}, Ops: []string{"put", "del"}, Prefix: "ZX-"},
			func(recordType string) []string {
				if recordType == "lawyer" {
					return nil
				}
				return []string{sign.Upstream}
			})
		good := func(key string) string { return b.consultation(key, "1").payload.(string) }
		deep := `{"consultNo":"ZX-1","content":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`
		large := func(n int) string {
			return `{"consultNo":"ZX-1","title":"` + strings.Repeat("大", n/3) + `"}`
		}
		type refusal struct {
			name string
			row  row
			want []string // code and pointer of each fault
			says string   // of the first message
		}
		refusals := []refusal{
			{"unknown type", row{recordType: "no_such_type", key: "ZX-1", payload: "{}"}, []string{"UNKNOWN_TYPE "}, "没有这种记录类型"},
			{"type in capitals", row{recordType: "CONSULTATION", key: "ZX-1", payload: "{}"}, []string{"UNKNOWN_TYPE "}, "没有这种记录类型"},
			{"not its type", row{recordType: "service_venue", key: "ZX-1", op: "del"}, []string{"NOT_YOURS "}, "无权发布"},
			{"a type of the federation's own", row{recordType: "exchange_node", key: "ZX-1", op: "del"}, []string{"NOT_YOURS "}, "无权发布"},
			{"not its prefix", row{recordType: "consultation", key: "AA-1", payload: good("AA-1")}, []string{"NOT_YOURS "}, "无权发布"},
			{"a key of another source", row{recordType: "consultation", key: "ZX-TAKEN", payload: good("ZX-TAKEN")}, []string{"NOT_YOURS "}, "无权发布"},
			{"deleting another source's key", row{recordType: "consultation", key: "ZX-TAKEN", op: "del"}, []string{"NOT_YOURS "}, "无权发布"},
			{"a key not in NFC", row{recordType: "consultation", key: "ZX-e\u0301", payload: good("ZX-e\u0301")}, []string{"KEY_NOT_NFC "}, "规范形式（NFC）"},
			{"a key with an outer space", row{recordType: "consultation", key: "ZX-1 ", payload: good("ZX-1 ")}, []string{"BAD_KEY "}, "首尾有空格"},
			{"a key with a tab", row{recordType: "consultation", key: "ZX-\t1", op: "del"}, []string{"BAD_KEY "}, "控制字符"},
			{"a key that is not UTF-8", row{recordType: "consultation", key: "ZX-\xff", op: "del"}, []string{"BAD_KEY "}, "UTF-8"},
			{"no key", row{recordType: "consultation", key: "", op: "del"}, []string{"BAD_KEY "}, "主键为空"},
			{"unknown op", row{recordType: "consultation", key: "ZX-1", op: "PUT", payload: good("ZX-1")}, []string{"BAD_OP "}, "put 或 del"},
			{"put of nothing", row{recordType: "consultation", key: "ZX-1"}, []string{"BAD_PAYLOAD "}, "put 必须有正文"},
			{"del with contents", row{recordType: "consultation", key: "ZX-1", op: "del", payload: good("ZX-1")}, []string{"BAD_PAYLOAD "}, "del 不得有正文"},
			{"empty payload", row{recordType: "consultation", key: "ZX-1", payload: ""}, []string{"JSON "}, "不是合法的JSON对象"},
			{"an array", row{recordType: "consultation", key: "ZX-1", payload: "[]"}, []string{"JSON "}, "不是合法的JSON对象"},
			{"half an object", row{recordType: "consultation", key: "ZX-1", payload: `{"a":`}, []string{"JSON /a"}, "不是合法的JSON对象"},
			{"a member twice", row{recordType: "consultation", key: "ZX-1", payload: `{"a":{"b":1,"\u0062":2}}`}, []string{"DUPLICATE_MEMBER /a/b"}, "字段重复"},
			{"too deep", row{recordType: "consultation", key: "ZX-1", payload: deep}, []string{"DEPTH /content" + strings.Repeat("/0", 31)}, "嵌套超过32层"},
			{"a number too exact", row{recordType: "consultation", key: "ZX-1", payload: `{"a":12345678901234567890}`}, []string{"NUMBER /a"}, "精确"},
			{"a lone surrogate", row{recordType: "consultation", key: "ZX-1", payload: `{"a":"\ud800"}`}, []string{"SURROGATE /a"}, "代理字符"},
			{"U+0000", row{recordType: "consultation", key: "ZX-1", payload: `{"a":"\u0000"}`}, []string{"NUL /a"}, "U+0000"},
			{"several faults of the schema", row{recordType: "consultation", key: "ZX-1", payload: b.example("consultation", "ZX-1", map[string]any{"channel": "77", "content": nil, "phone": "暂无"})},
				[]string{"CODE /channel", "REQUIRED /content", "FORMAT /phone"}, "代码"},
			{"another key inside", row{recordType: "consultation", key: "ZX-1", payload: good("ZX-2")}, []string{"KEY_MISMATCH /consultNo"}, "主键字段不一致"},
			{"nowhere to go", row{recordType: "lawyer", key: "ZX-1", op: "del"}, []string{"NO_ROUTE "}, "没有配置发布去向"},
			{"over a line's limit", row{recordType: "consultation", key: "ZX-1", payload: large(300 << 10)}, []string{"TOO_LARGE "}, "超过256 KiB"},
			{"2 MiB", row{recordType: "consultation", key: "ZX-1", payload: large(2 << 20)}, []string{"TOO_LARGE "}, "超过256 KiB"},
			{"just under 16 MiB", row{recordType: "consultation", key: "ZX-1", payload: large(16<<20 - 100)}, []string{"TOO_LARGE "}, "超过256 KiB"},
		}
		if b.d == outbox.SQLite { // MySQL's column takes no such bytes
			refusals = append(refusals, refusal{"not UTF-8", row{recordType: "consultation", key: "ZX-1", payload: "{\"a\":\"\xff\"}"}, []string{"UTF8 "}, "UTF-8"})
		}
		for _, r := range refusals {
			b.insert(r.row)
		}
		b.insert(b.consultation("ZX-GOOD", "1"))
		if n := b.drain(s); n != len(refusals)+1 {
			t.Errorf("took %d rows of %d", n, len(refusals)+1)
		}
		if lines := b.stream(name("consultation", sign.Upstream)); len(lines) != 2 || lines[1].Key != "ZX-GOOD" {
			t.Errorf("the stream holds %d lines; the good neighbour is missing or bad rows entered", len(lines))
		}
		got := b.rejected()
		if len(got) != len(refusals) {
			t.Fatalf("%d rejected rows, want %d", len(got), len(refusals))
		}
		for i, r := range refusals {
			t.Run(r.name, func(t *testing.T) {
				whole, err := outbox.GetRejected(t.Context(), b.Store.DB(), b.d, got[i].ID)
				if err != nil {
					t.Fatal(err)
				}
				var faults schemas.Faults
				if err := json.Unmarshal(whole.Faults, &faults); err != nil {
					t.Fatal(err)
				}
				var have []string
				for _, f := range faults {
					have = append(have, f.Code+" "+f.Pointer)
					if !han.MatchString(f.Message) || f.MessageEN == "" || strings.ContainsAny(f.Message, ",;:()") {
						t.Errorf("words: %+v", f)
					}
				}
				if diff := cmp.Diff(r.want, have); diff != "" || whole.Code != faults[0].Code {
					t.Errorf("code %s, faults, want (-), have (+):\n%s%s", whole.Code, diff, whole.Faults)
				}
				if !strings.Contains(faults[0].Message, r.says) {
					t.Errorf("the clerk reads %q, want %q in it", faults[0].Message, r.says)
				}
				var payload []byte
				switch p := r.row.payload.(type) {
				case string:
					payload = []byte(p)
				case []byte:
					payload = p
				}
				op := r.row.op
				if op == "" {
					op = "put"
				}
				if w := whole.Row; w.Type != r.row.recordType || string(w.Key) != r.row.key || w.Op != op || string(w.Payload) != string(payload) || w.Null != (payload == nil) {
					t.Errorf("the row was not kept whole: %s %q %s, %d bytes of %d", w.Type, w.Key, w.Op, len(w.Payload), len(payload))
				}
				if whole.State != outbox.StateOpen || whole.Source != "main" {
					t.Errorf("state %s, source %s", whole.State, whole.Source)
				}
			})
		}
		if tl := b.tally("main", "consultation"); tl.Accepted != 1 || tl.Unchanged != 0 {
			t.Errorf("tally %+v", tl)
		}
	})
}

// Check says the same as a round, and touches nothing.
func TestCheckIsTheRoundsVerdict(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		r := b.consultation("ZX-1", "1")
		if faults, err := s.Check(t.Context(), outbox.Record{Type: r.recordType, Key: r.key, Op: outbox.Put, Payload: []byte(r.payload.(string))}); err != nil || len(faults) != 0 {
			t.Errorf("good: %v", faults)
		}
		faults, err := s.Check(t.Context(), outbox.Record{Type: "consultation", Key: "ZX-1", Op: outbox.Put, Payload: []byte(`{"consultNo":"ZX-1"}`)})
		if err != nil || len(faults) != 3 {
			t.Errorf("three required members are missing: %v", faults)
		}
		if n := b.drain(s); n != 0 || len(b.rejected()) != 0 {
			t.Error("Check queued something")
		}
	})
}

// A row on which the checks panic is rejected as INTERNAL and blocks nobody.
// The panic is a real one: of the configuration's own function, for one type.
func TestPanickingRowIsRejected(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.sequencer(sequencer.Source{Name: "main", Table: outbox.Table, Types: []string{"*"}}, func(recordType string) []string {
			if recordType == "service_venue" {
				panic("no audience for venues")
			}
			return []string{sign.Upstream}
		})
		b.insert(b.consultation("ZX-1", "1"), row{recordType: "service_venue", key: "V-1", payload: b.example("service_venue", "V-1", nil)}, b.consultation("ZX-2", "1"))
		if n := b.drain(s); n != 3 {
			t.Errorf("took %d rows", n)
		}
		if got := b.rejected(); len(got) != 1 || got[0].Code != "INTERNAL" || string(got[0].Row.Key) != "V-1" || strings.Contains(string(got[0].Faults), "no audience") {
			t.Errorf("%+v", got)
		}
		if lines := b.stream(name("consultation", sign.Upstream)); len(lines) != 2 {
			t.Errorf("%d lines", len(lines))
		}
	})
}

// Hostile but lawful contents pass as they are: the deepest object, the longest
// line, every kind of white space taken out and nothing else changed.
func TestContentsAreNotChanged(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.main()
		payload := "\n{ \"consultNo\" :\t\"ZX-1\",\r\n \"content\": \"a b\\u4e00<&>\u2028\", \"consultTime\":\"2026-11-20T09:12:30+08:00\" ,\"state\":\"4\"}  "
		b.insert(row{recordType: "consultation", key: "ZX-1", payload: payload})
		b.drain(s)
		lines := b.stream(name("consultation", sign.Upstream))
		want := "{\"consultNo\":\"ZX-1\",\"content\":\"a b\\u4e00<&>\u2028\",\"consultTime\":\"2026-11-20T09:12:30+08:00\",\"state\":\"4\"}"
		if len(lines) != 1 || string(lines[0].Data) != want {
			t.Errorf("%+v", b.rejected())
		}
		if l := lines[0]; l.Op != seal.Put || l.Src != "main" || !strings.HasPrefix(l.Ref, "main:1:") || l.Was != nil {
			t.Errorf("%+v", l)
		}
	})
}

// What the pack declares is done to a value that would be refused, and the line says so: where, how, and what the value was. The same record in
// its right form is then no change, and a record that is still wrong is refused for what it was.
func TestNormalisedIsTold(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		s := b.sequencer(sequencer.Source{Name: "main", Table: outbox.Table, Types: []string{"*"}}, upstream)
		put := func(key string, change map[string]any) {
			b.insert(row{recordType: "consultation", key: key, payload: b.example("consultation", key, change)})
		}
		put("ZX-1", map[string]any{"phone": " １６００0000001"})
		put("ZX-2", nil)
		put("ZX-3", map[string]any{"phone": "１６０", "channel": "77"})
		b.drain(s)
		put("ZX-1", map[string]any{"phone": "16000000001"})
		b.drain(s)
		lines := b.stream(name("consultation", sign.Upstream))
		if len(lines) != 2 {
			t.Fatalf("%d lines", len(lines))
		}
		want := `{"normalised":[{"at":"/phone","by":["half-width","trim"],"was":" １６００0000001"}]}`
		if got := string(lines[0].X); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		var data struct{ Phone string }
		if err := json.Unmarshal(lines[0].Data, &data); err != nil || data.Phone != "16000000001" {
			t.Errorf("%s is sealed: %v", data.Phone, err)
		}
		if lines[1].X != nil {
			t.Errorf("%s said of a record that was right", lines[1].X)
		}
		if got := b.tally("main", "consultation"); got.Rejected != 1 || got.Unchanged != 1 {
			t.Errorf("%+v", got)
		}
	})
}
