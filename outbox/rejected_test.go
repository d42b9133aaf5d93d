package outbox_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fayi/outbox"
)

var faults = json.RawMessage(`[{"code":"BAD_ID","pointer":"/id_no","title":"证件号码","message":"校验位不对","hint":"核对证件"}]`)

// reject moves all waiting rows to exchange_rejected, as the node does.
func (e engine) reject(t *testing.T, source, code string) {
	t.Helper()
	rows := e.read(t)
	err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
		var rs []outbox.Rejection
		for _, r := range rows {
			rs = append(rs, outbox.Rejection{Row: r, Code: code, Faults: faults})
		}
		if err := outbox.Reject(ctx, tx, e.d, source, outbox.Table, rs); err != nil {
			return err
		}
		return e.reader(t).Remove(ctx, tx, rows)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (e engine) list(t *testing.T, f outbox.Filter) []outbox.Rejected {
	t.Helper()
	rs, err := outbox.ListRejected(t.Context(), e.db, e.d, f)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func (e engine) resubmit(t *testing.T, id uint64, payload string, later outbox.Later) error {
	t.Helper()
	tx := e.begin(t)
	var body []byte
	if payload != "" {
		body = []byte(payload)
	}
	err := outbox.Resubmit(t.Context(), tx, e.d, outbox.Table, id, body, later)
	end(t, tx, err == nil || errors.Is(err, outbox.ErrSuperseded))
	return err
}

func TestRejectKeepsTheRowWhole(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		e.publish(t, "gone", "陕-1", "b") // ids in the outbox and among the rejected differ
		rows := e.read(t)
		if err := e.remove(t, rows[:1]); err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-time.Second)
		e.reject(t, "aid", "BAD_ID")
		if left := e.read(t); len(left) != 0 {
			t.Fatalf("left %v", ids(left))
		}
		list := e.list(t, outbox.Filter{})
		if len(list) != 2 {
			t.Fatalf("%d rejected", len(list))
		}
		for i, listed := range list {
			want := outbox.Rejected{ID: listed.ID, Source: "aid", Row: rows[i+1], Code: "BAD_ID", Faults: faults, State: outbox.StateOpen}
			got, err := outbox.GetRejected(t.Context(), e.db, e.d, listed.ID)
			if err != nil {
				t.Fatal(err)
			}
			ignore := cmpopts.IgnoreFields(outbox.Rejected{}, "RejectedAt")
			if diff := cmp.Diff(want, got, ignore); diff != "" {
				t.Error(diff)
			}
			if got.RejectedAt.Before(before) || got.RejectedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("rejected at %v", got.RejectedAt)
			}
			want.Row.Payload = nil
			if diff := cmp.Diff(want, listed, ignore); diff != "" {
				t.Error(diff)
			}
		}
		if _, err := outbox.GetRejected(t.Context(), e.db, e.d, 99); !errors.Is(err, outbox.ErrNotFound) {
			t.Errorf("absent: %v", err)
		}
	})
}

// Rows of a source in another database are stored from memory, equal to what the database would have copied.
func TestRejectFromMemory(t *testing.T) {
	for _, open := range []func(*testing.T) engine{sqlite, mariadb} { // the node's sessions
		e := open(t)
		t.Run(string(e.d), func(t *testing.T) {
			e.publish(t, "陕-1")
			e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, op) VALUES ('case', 'k', 'del')")
			rows := e.read(t)
			err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
				var rs []outbox.Rejection
				for _, r := range rows {
					rs = append(rs, outbox.Rejection{Row: r, Code: "BAD_ID", Faults: faults})
				}
				return errors.Join(outbox.Reject(ctx, tx, e.d, "aid", "", rs), outbox.Reject(ctx, tx, e.d, "aid", outbox.Table, rs))
			})
			if err != nil {
				t.Fatal(err)
			}
			list := e.list(t, outbox.Filter{})
			if len(list) != 4 {
				t.Fatalf("%d rejected", len(list))
			}
			for i := range 2 {
				memory, err1 := outbox.GetRejected(t.Context(), e.db, e.d, list[i].ID)
				copied, err2 := outbox.GetRejected(t.Context(), e.db, e.d, list[i+2].ID)
				if diff := cmp.Diff(copied, memory, cmpopts.IgnoreFields(outbox.Rejected{}, "ID", "RejectedAt")); diff != "" || err1 != nil || err2 != nil {
					t.Errorf("%v %v %s", err1, err2, diff)
				}
			}
		})
	}
}

func TestRejectRefuses(t *testing.T) {
	e := sqlite(t)
	e.publish(t, "1")
	row := e.read(t)[0]
	for name, c := range map[string]struct {
		source, table string
		r             outbox.Rejection
	}{
		"source":           {"a'; --", outbox.Table, outbox.Rejection{Row: row, Code: "X", Faults: faults}},
		"table":            {"aid", "A b", outbox.Rejection{Row: row, Code: "X", Faults: faults}},
		"code":             {"aid", outbox.Table, outbox.Rejection{Row: row, Code: "不对", Faults: faults}},
		"faults not JSON":  {"aid", outbox.Table, outbox.Rejection{Row: row, Code: "X", Faults: json.RawMessage("[")}},
		"faults not UTF-8": {"aid", outbox.Table, outbox.Rejection{Row: row, Code: "X", Faults: json.RawMessage("\"\xff\"")}},
	} {
		err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
			return outbox.Reject(ctx, tx, e.d, c.source, c.table, []outbox.Rejection{c.r})
		})
		if err == nil || errors.Is(err, outbox.ErrTaken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	row.ID = 999
	err := e.inTx(t, func(ctx context.Context, tx *sql.Tx) error {
		return outbox.Reject(ctx, tx, e.d, "aid", outbox.Table, []outbox.Rejection{{Row: row, Code: "X", Faults: faults}})
	})
	if !errors.Is(err, outbox.ErrTaken) {
		t.Errorf("a row that is gone: %v", err)
	}
}

func TestListAndMark(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		e.publish(t, "1", "2")
		e.reject(t, "aid", "BAD_ID")
		e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('notary_matter', '3', '{}')")
		e.reject(t, "notary", "MISSING")
		all := e.list(t, outbox.Filter{})
		mark := func(state outbox.State, ids ...uint64) error {
			return e.inTx(t, func(ctx context.Context, tx *sql.Tx) error { return outbox.MarkRejected(ctx, tx, e.d, ids, state) })
		}
		if err := mark(outbox.StateClosed, all[0].ID); err != nil {
			t.Fatal(err)
		}
		for name, err := range map[string]error{"closed already": mark(outbox.StateClosed, all[1].ID, all[0].ID), "absent": mark(outbox.StateClosed, 999)} {
			if !errors.Is(err, outbox.ErrNotOpen) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := mark(outbox.StateOpen, all[0].ID); err == nil {
			t.Error("a closed row was opened again")
		}
		for _, c := range []struct {
			f    outbox.Filter
			want []int
		}{
			{outbox.Filter{}, []int{0, 1, 2}},
			{outbox.Filter{State: outbox.StateOpen}, []int{1, 2}},
			{outbox.Filter{State: outbox.StateClosed}, []int{0}},
			{outbox.Filter{Source: "aid"}, []int{0, 1}},
			{outbox.Filter{Source: "aid", State: outbox.StateOpen}, []int{1}},
			{outbox.Filter{Type: "notary_matter"}, []int{2}},
			{outbox.Filter{Code: "MISSING"}, []int{2}},
			{outbox.Filter{Code: "缺少"}, nil},
			{outbox.Filter{Limit: 2}, []int{0, 1}},
			{outbox.Filter{AfterID: all[0].ID, Limit: 1}, []int{1}},
			{outbox.Filter{Key: "2"}, []int{1}},
			{outbox.Filter{Key: "1"}, []int{0}},
			{outbox.Filter{Key: "22"}, nil},
			{outbox.Filter{Key: "%"}, nil},
			{outbox.Filter{Since: all[0].RejectedAt.Add(-time.Hour), Until: all[2].RejectedAt.Add(time.Hour)}, []int{0, 1, 2}},
			{outbox.Filter{Since: all[2].RejectedAt.Add(time.Hour)}, nil},
			{outbox.Filter{Until: all[0].RejectedAt.Add(-time.Hour)}, nil},
		} {
			var want, got []uint64
			for _, i := range c.want {
				want = append(want, all[i].ID)
			}
			for _, r := range e.list(t, c.f) {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v: %s", c.f, diff)
			}
			if n, err := outbox.CountRejected(t.Context(), e.db, e.d, c.f); err != nil || c.f.Limit == 0 && int(n) != len(want) {
				t.Errorf("%+v: counted %d of %d, %v", c.f, n, len(want), err)
			}
		}
	})
}

func TestResubmit(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		e.publish(t, "fix", "as it is")
		e.reject(t, "aid", "BAD_ID")
		list := e.list(t, outbox.Filter{})
		var e1 *outbox.Error
		if err := e.resubmit(t, list[0].ID, `not json`, nil); !errors.As(err, &e1) || e1.Code != outbox.CodePayload {
			t.Errorf("bad payload: %v", err)
		}
		if err := e.resubmit(t, list[0].ID, `{"case_no":"修好了"}`, nil); err != nil {
			t.Fatal(err)
		}
		if err := e.resubmit(t, list[1].ID, "", nil); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{`{"case_no":"修好了"}`, `{"case_no":"as it is"}`} {
			row := e.read(t)[i]
			if id, ok := row.Repairs(); string(row.Payload) != want || row.Type != "legal_aid_case" || row.Op != "put" || !ok || id != list[i].ID {
				t.Errorf("%+v, want %s repairing %d", row, want, list[i].ID)
			}
			if r, err := outbox.GetRejected(t.Context(), e.db, e.d, list[i].ID); err != nil || r.State != outbox.StateResubmitted {
				t.Errorf("state %s, %v", r.State, err)
			}
			for _, payload := range []string{"", "not json"} {
				if err := e.resubmit(t, list[i].ID, payload, nil); !errors.Is(err, outbox.ErrNotOpen) {
					t.Errorf("a second time: %v", err)
				}
			}
		}
		if err := e.resubmit(t, 999, "", nil); !errors.Is(err, outbox.ErrNotFound) {
			t.Errorf("absent: %v", err)
		}
	})
}

// Nothing re-emits an old version (F12).
func TestResubmitSuperseded(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		state := func(id uint64) outbox.State {
			r, err := outbox.GetRejected(t.Context(), e.db, e.d, id)
			if err != nil {
				t.Fatal(err)
			}
			return r.State
		}
		e.publish(t, "waits", "rejected later", "published later", "alone", "failing")
		e.reject(t, "aid", "BAD_ID")
		old := e.list(t, outbox.Filter{})
		e.publish(t, "rejected later")
		e.reject(t, "aid", "BAD_ID")
		e.publish(t, "waits")
		e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, op) VALUES ('another_type', 'alone', 'del')")
		failure := errors.New("database of the node is away")
		later := func(_ context.Context, tx *sql.Tx, typ string, key []byte, created time.Time) (bool, error) {
			if tx == nil || typ != "legal_aid_case" || created.IsZero() {
				t.Errorf("hook called with %v %s %v", tx, typ, created)
			}
			if string(key) == "failing" {
				return false, failure
			}
			return string(key) == "published later", nil
		}
		for i := range 3 {
			key := string(old[i].Row.Key)
			if err := e.resubmit(t, old[i].ID, `{"case_no":"old"}`, later); !errors.Is(err, outbox.ErrSuperseded) || state(old[i].ID) != outbox.StateSuperseded {
				t.Errorf("%s: %v, %s", key, err, state(old[i].ID))
			}
		}
		if err := e.resubmit(t, old[4].ID, "", later); !errors.Is(err, failure) || state(old[4].ID) != outbox.StateOpen {
			t.Errorf("hook failed: %v, %s", err, state(old[4].ID))
		}
		if err := e.resubmit(t, old[3].ID, "", later); err != nil {
			t.Errorf("alone: %v", err)
		}
		newest := e.list(t, outbox.Filter{AfterID: old[4].ID})
		if err := e.resubmit(t, newest[0].ID, "", later); err != nil {
			t.Errorf("the later one: %v", err)
		}
		var keys []string
		for _, r := range e.read(t) {
			keys = append(keys, r.Type+" "+string(r.Key))
		}
		want := []string{"legal_aid_case waits", "another_type alone", "legal_aid_case alone", "legal_aid_case rejected later"}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Error(diff)
		}
	})
}

func TestResubmitRefusesWhatCannotBeRepaired(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		for _, row := range []string{"'Bad Type', 'k1', 'put', '{}'", "'case', ' k', 'put', '{}'", "'case', 'k2', 'upsert', '{}'", "'case', 'k3', 'del', '{}'",
			"'case', 'k4', 'put', NULL"} {
			e.exec(t, "INSERT INTO exchange_outbox (record_type, record_key, op, payload) VALUES ("+row+")")
		}
		e.reject(t, "aid", "BAD")
		list := e.list(t, outbox.Filter{})
		for i, code := range []string{outbox.CodeType, outbox.CodeKey, outbox.CodeOp, "", outbox.CodePayload} {
			err := e.resubmit(t, list[i].ID, "", nil)
			var refused *outbox.Error
			if code == "" && err != nil || code != "" && (!errors.As(err, &refused) || refused.Code != code) {
				t.Errorf("%s %s: %v, want %q", list[i].Row.Type, list[i].Row.Op, err, code)
			}
		}
		if err := e.resubmit(t, list[4].ID, `{"a":1}`, nil); err != nil {
			t.Errorf("payload added: %v", err)
		}
	})
}
