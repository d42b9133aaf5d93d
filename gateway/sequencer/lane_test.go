package sequencer_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// Urgent records have a loop of their own: they are sealed while the round of the others cannot commit, and afterwards
// everything has been sealed once.
func TestUrgentRecordsDoNotWaitForOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, outbox.MySQL, mariadbtest.Start(t).Database(t))
	s := b.main()
	ordinary, urgent := name("consultation", "upstream"), name("hotline_ticket", "upstream")
	ticket := func(i int) row {
		key := "T-" + strconv.Itoa(i)
		return row{recordType: "hotline_ticket", key: key, payload: b.example("hotline_ticket", key, nil)}
	}
	b.insert(b.consultation("first", "0"), ticket(0))
	b.drain(s) // both streams are there

	st, err := b.Store.StreamByName(t.Context(), ordinary)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := b.Store.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback()
	if _, err := lock.ExecContext(t.Context(), "SELECT id FROM fayi_stream WHERE id=? FOR UPDATE", st.ID); err != nil {
		t.Fatal(err)
	}
	var rows []row
	for i := range 50 {
		rows = append(rows, b.consultation("C-"+strconv.Itoa(i), "1"))
	}
	b.insert(append(rows, ticket(1), ticket(2))...)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx, func() bool { return true }, nil) }()
	defer func() { stop(); <-ended }()
	await := func(stream string, n uint64) {
		t.Helper()
		for deadline := time.Now().Add(40 * time.Second); ; {
			st, err := b.Store.StreamByName(t.Context(), stream)
			if err == nil && st.Seq == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s ends at %d, not %d", stream, st.Seq, n)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	await(urgent, 3)
	if st, err = b.Store.StreamByName(t.Context(), ordinary); err != nil || st.Seq != 1 {
		t.Fatalf("the other stream ends at %d, %v: nothing was in its way", st.Seq, err)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	await(ordinary, 51)
	if n := len(b.stream(urgent)) + len(b.stream(ordinary)); n != 54 {
		t.Errorf("%d lines", n)
	}
}
