package triggers_test

import (
	"fmt"
	"testing"
)

// BenchmarkUpdate is one committed update of a business table: plain, with an insert into the outbox by the program, and
// with triggers, of one table and of three that make a record.
//
//	go test ./outbox/triggers -run xxx -bench Update -benchtime 2000x
func BenchmarkUpdate(b *testing.B) {
	const lawyer, header = "UPDATE T_LSXX SET XM = ? WHERE LSID = 1", "UPDATE `tj-aj` SET bt = ? WHERE AJBH = 'A'"
	for _, c := range []struct{ name, tables, yaml, row, update string }{
		{"one table", "lawyer.sql", "lawyer.yaml", "INSERT INTO T_LSXX (ZYZH, ZYLB, ZYZT, CSRQ) VALUES ('16108201510900001', '专职', '正常', '1900/1/1')", lawyer},
		{"three tables", "mediation.sql", "mediation.yaml", "", header},
	} {
		for _, how := range []string{"plain", "insert", "triggers"} {
			b.Run(c.name+"/"+how, func(b *testing.B) {
				l := newLegacy(b, read(b, c.tables))
				if c.row == "" {
					l.srv.Client(b, l.dsn, twoCases)
				} else {
					l.exec(c.row)
				}
				if how == "triggers" {
					l.install(read(b, c.yaml))
				}
				b.ResetTimer()
				for i := range b.N {
					tx := l.tx(0)
					if _, err := tx.Exec(c.update, fmt.Sprint(i)); err != nil {
						b.Fatal(err)
					}
					if how == "insert" {
						if _, err := tx.Exec("INSERT INTO exchange_outbox (record_type, record_key, payload) VALUES ('lawyer', '16108201510900001', ?)", `{"name":"`+fmt.Sprint(i)+`"}`); err != nil {
							b.Fatal(err)
						}
					}
					if err := tx.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
