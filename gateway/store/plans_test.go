package store

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"fayi/outbox"
	"fayi/outbox/mariadbtest"
)

// TestPlans: statements that run all day reach their rows by key, also those that compare a text column of a contract
// table on the binary connection. Reading the whole table would lock every row of it.
func TestPlans(t *testing.T) {
	ctx := t.Context()
	s, err := Open(ctx, outbox.MySQL, mariadbtest.Start(t).Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"INSERT INTO exchange_inbox_cursor (stream,gen,seq) SELECT CONCAT('610800/t',seq,'/public'),1,1 FROM seq_1_to_3000",
		"INSERT INTO fayi_segment (stream_id,gen,first_seq,line_count,hash,prev,header,sig,body_size,seen) SELECT 1,1,seq,1,CHAR(seq,seq),'','','',1,1 FROM seq_1_to_3000",
		"INSERT INTO fayi_body (stream_id,gen,first_seq,readers,body) SELECT 1,1,seq,'','' FROM seq_1_to_3000",
		"INSERT INTO fayi_peer_rejection (stream,gen,seq,reader,code,pointer,pack,at_us,is_open) SELECT 's',1,seq,'r','','','',1,1 FROM seq_1_to_3000",
		"ANALYZE TABLE exchange_inbox_cursor, fayi_segment, fayi_body, fayi_peer_rejection",
	} {
		if _, err := s.read.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		query string
		args  []any
		rows  int // the plan may not read more
	}{
		{"UPDATE exchange_inbox_cursor SET gen=1, seq=2 WHERE stream=" + s.d.ascii + " AND gen=1 AND seq=1", []any{"610800/t5/public"}, 1},
		{"SELECT gen,seq FROM exchange_inbox_cursor WHERE stream=" + s.d.ascii, []any{"610800/t5/public"}, 1},
		{selectSegment + "AND s.gen=? AND s.first_seq<=? ORDER BY s.first_seq DESC LIMIT 1", []any{1, 1, 3}, 3},
		{selectSegment + "AND s.hash=?", []any{1, []byte{3, 3}}, 1},
		{"SELECT body FROM fayi_body WHERE stream_id=? AND gen=? AND first_seq>=? AND first_seq<=?", []any{1, 1, 5, 9}, 5},
		{"SELECT gen,seq FROM fayi_peer_rejection WHERE is_open=1 AND stream=? AND (gen=? AND seq IN (?,?))", []any{"s", 1, 7, 9}, 2},
	} {
		rows, err := s.read.QueryContext(ctx, "EXPLAIN "+x.query, x.args...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id, kind, table, access, possible, key, length, ref, n, extra sql.NullString
			if err := rows.Scan(&id, &kind, &table, &access, &possible, &key, &length, &ref, &n, &extra); err != nil {
				t.Fatal(err)
			}
			if table.String == "o" {
				continue // empty, and joined by its primary key
			}
			var read int
			fmt.Sscan(n.String, &read)
			if !key.Valid || read > x.rows {
				t.Errorf("%s\n  access %s, key %q, %d rows, %s", x.query, access.String, key.String, read, extra.String)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
