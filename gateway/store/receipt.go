package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// Receipt is a signed receipt as it came (protocol §4). Hash names it; By is the reader that signed it.
type Receipt struct {
	By, Origin string
	N          uint64
	Level      string
	Body, Sig  []byte
	Hash       Hash
}

// Ack is what the newest receipt says of one stream: Reader has everything up to Head, at Level. At is when it arrived
// here, Unix µs.
type Ack struct {
	Stream        int64
	Reader, Level string
	Head
	Rejected, N uint64
	At          int64
}

// SaveReceipt records a verified receipt and what it says of each stream; Reader, Level and N of the acks are taken
// from the receipt. For each (reader, stream, level) the highest N wins, so receipts may come late and twice, and a
// lower position under a higher N moves back (protocol §4). changed tells whether any acknowledgement moved. Raw
// receipts on which no acknowledgement rests any more are dropped.
func (s *Store) SaveReceipt(ctx context.Context, r Receipt, acks []Ack) (changed bool, err error) {
	if acks, err = r.check(acks); err != nil {
		return false, err
	}
	err = s.InTx(ctx, func(tx *sql.Tx) (err error) {
		changed, err = s.saveReceipt(ctx, tx, r, acks)
		return err
	})
	return changed && err == nil, err
}

// check holds a receipt and its acks to the columns' bounds, and returns the acks as they are stored.
func (r Receipt) check(acks []Ack) ([]Ack, error) {
	if r.By == "" || len(r.By) > 32 || len(r.Origin) > 32 || r.Level == "" || len(r.Level) > 16 || r.N > maxNumber || len(r.Sig) > 256 {
		return nil, fmt.Errorf("%w: receipt of %q", ErrInvalid, cut(r.By, 32))
	}
	acks = slices.Clone(acks)
	slices.SortFunc(acks, func(a, b Ack) int { return cmp.Compare(a.Stream, b.Stream) }) // one order for all: no deadlocks
	for i := range acks {
		acks[i].Reader, acks[i].Level, acks[i].N = r.By, r.Level, r.N
		if acks[i].Gen > maxNumber || acks[i].Seq > maxNumber || acks[i].Rejected > maxNumber {
			return nil, fmt.Errorf("%w: receipt of %q", ErrInvalid, r.By)
		}
	}
	return acks, nil
}

func (s *Store) saveReceipt(ctx context.Context, tx *sql.Tx, r Receipt, acks []Ack) (changed bool, err error) {
	newer, err := s.newerAcks(ctx, tx, r, acks)
	if len(newer) == 0 || err != nil {
		return false, err
	}
	if err := s.putReceipt(ctx, tx, r, newer); err != nil {
		return false, err
	}
	return true, dropReceipts(ctx, tx, r)
}

// SaveOwnReceipt is [Store.SaveReceipt] for a receipt this node signed: it moves the counter its number comes from, see
// [Store.AdvanceCounter], in the same transaction. false: the counter does not stand at fromN any more, and nothing was
// changed.
func (s *Store) SaveOwnReceipt(ctx context.Context, r Receipt, acks []Ack, counter string, fromN uint64) (ok bool, err error) {
	if acks, err = r.check(acks); err != nil {
		return false, err
	}
	if err := checkCounter(counter, fromN, r.N); err != nil {
		return false, err
	}
	err = s.InTx(ctx, func(tx *sql.Tx) (err error) {
		if ok, err = s.advance(ctx, tx, counter, fromN, r.N, r.Hash); !ok || err != nil {
			return err
		}
		_, err = s.saveReceipt(ctx, tx, r, acks)
		return err
	})
	return ok && err == nil, err
}

// SignReceipt is [Store.SaveOwnReceipt] within a transaction: it takes the number by moving the counter, which stays locked
// until the transaction ends, and keeps what sign makes of the number before and its hash. lastN and lastHash are what the
// caller believes they are, zeros if it does not know; sign is called again where that is wrong. Receipts that nothing
// rests on any more are left to [Store.DropReceipts].
func (s *Store) SignReceipt(ctx context.Context, tx *sql.Tx, counter string, lastN uint64, lastHash Hash, sign func(last uint64, prev Hash) (Receipt, []Ack, error)) error {
	for tries := range 4 {
		if tries > 0 || lastN == 0 {
			lastN, lastHash = 0, Hash{}
			err := tx.QueryRowContext(ctx, "SELECT n,hash FROM fayi_counter WHERE name=?"+s.d.forUpdate, counter).Scan(&lastN, &lastHash)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		r, acks, err := sign(lastN, lastHash)
		if err != nil {
			return err
		}
		if acks, err = r.check(acks); err != nil {
			return err
		}
		if err := checkCounter(counter, lastN, r.N); err != nil {
			return err
		}
		ok, err := s.advance(ctx, tx, counter, lastN, r.N, r.Hash)
		if err != nil {
			return err
		}
		if ok {
			return s.putReceipt(ctx, tx, r, acks)
		}
	}
	return fmt.Errorf("store: counter %s moves under its lock", counter)
}

// putReceipt writes a receipt and what it acknowledges.
func (s *Store) putReceipt(ctx context.Context, tx *sql.Tx, r Receipt, acks []Ack) error {
	_, err := tx.ExecContext(ctx, s.d.insertIgnore+"fayi_receipt (hash,reader,origin,level,n,body,sig) VALUES (?,?,?,?,?,?,?)",
		r.Hash, r.By, r.Origin, r.Level, num(r.N), blob(r.Body), blob(r.Sig))
	if err != nil {
		return err
	}
	rows := make([][]any, len(acks))
	for i, a := range acks {
		rows[i] = []any{a.Stream, a.Reader, a.Level, num(a.Gen), num(a.Seq), a.Hash, num(a.Rejected), r.Hash, a.At, num(a.N)}
	}
	_, err = insertRows(ctx, tx, "INSERT INTO fayi_ack (stream_id,reader,level,gen,seq,head,rejected,receipt,at_us,n) VALUES ",
		s.d.upsert([]string{"stream_id", "reader", "level"}, []string{"gen", "seq", "head", "rejected", "receipt", "at_us", "n"}, "n"), rows)
	return err
}

// DropReceipts removes the raw receipts of one reader, origin and level on which no acknowledgement rests any more.
func (s *Store) DropReceipts(ctx context.Context, reader, origin, level string) error {
	return s.InTx(ctx, func(tx *sql.Tx) error {
		return dropReceipts(ctx, tx, Receipt{By: reader, Origin: origin, Level: level})
	})
}

// newerAcks locks the rows the receipt speaks of and returns the acks that are newer than they.
func (s *Store) newerAcks(ctx context.Context, tx *sql.Tx, r Receipt, acks []Ack) ([]Ack, error) {
	held := make(map[int64]uint64, len(acks))
	for rest := acks; len(rest) > 0; {
		n := min(len(rest), maxRows)
		args := []any{r.By, r.Level}
		for _, a := range rest[:n] {
			args = append(args, a.Stream)
		}
		list, err := collect(ctx, tx, func(rows *sql.Rows) (a Ack, err error) {
			return a, rows.Scan(&a.Stream, &a.N)
		}, "SELECT stream_id,n FROM fayi_ack WHERE reader=? AND level=? AND stream_id IN ("+placeholders(n)+") ORDER BY stream_id"+s.d.forUpdate, args...)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			held[a.Stream] = a.N
		}
		rest = rest[n:]
	}
	var out []Ack
	for _, a := range acks {
		if n, ok := held[a.Stream]; !ok || a.N > n {
			out = append(out, a)
		}
	}
	return out, nil
}

// dropReceipts removes the raw receipts of one reader, origin and level that no acknowledgement names.
func dropReceipts(ctx context.Context, tx *sql.Tx, r Receipt) error {
	free, err := collect(ctx, tx, func(rows *sql.Rows) (h Hash, err error) { return h, rows.Scan(&h) },
		"SELECT r.hash FROM fayi_receipt r LEFT JOIN fayi_ack a ON a.receipt=r.hash"+
			" WHERE r.origin=? AND r.reader=? AND r.level=? AND a.receipt IS NULL", r.Origin, r.By, r.Level)
	if err != nil {
		return err
	}
	for _, h := range free {
		if _, err := tx.ExecContext(ctx, "DELETE FROM fayi_receipt WHERE hash=?", h); err != nil {
			return err
		}
	}
	return nil
}

const selectAck = "SELECT stream_id,reader,level,gen,seq,head,rejected,n,at_us FROM fayi_ack"

func scanAck(rows *sql.Rows) (a Ack, err error) {
	return a, rows.Scan(&a.Stream, &a.Reader, &a.Level, &a.Gen, &a.Seq, &a.Hash, &a.Rejected, &a.N, &a.At)
}

// Acks returns what readers acknowledged of one stream, by reader and level.
func (s *Store) Acks(ctx context.Context, stream int64) ([]Ack, error) {
	list, err := collect(ctx, s.read, scanAck, selectAck+" WHERE stream_id=? ORDER BY reader,level", stream)
	if err != nil {
		return nil, fmt.Errorf("read acknowledgements: %w", err)
	}
	return list, nil
}

// AllAcks returns what readers acknowledged of all streams, by stream, reader and level.
func (s *Store) AllAcks(ctx context.Context) ([]Ack, error) {
	list, err := collect(ctx, s.read, scanAck, selectAck+" ORDER BY stream_id,reader,level")
	if err != nil {
		return nil, fmt.Errorf("read acknowledgements: %w", err)
	}
	return list, nil
}

// ReceiptsOf returns the raw receipts for streams of one origin on which acknowledgements rest, to be passed back to it
// unchanged (protocol §4), by reader, level and number.
func (s *Store) ReceiptsOf(ctx context.Context, origin string) ([]Receipt, error) {
	list, err := collect(ctx, s.read, func(rows *sql.Rows) (r Receipt, err error) {
		return r, rows.Scan(&r.By, &r.Origin, &r.N, &r.Level, &r.Body, &r.Sig, &r.Hash)
	}, "SELECT DISTINCT r.reader,r.origin,r.n,r.level,r.body,r.sig,r.hash FROM fayi_receipt r JOIN fayi_ack a ON a.receipt=r.hash"+
		" WHERE r.origin=? ORDER BY r.reader,r.level,r.n,r.hash", origin)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", err)
	}
	return list, nil
}

// Counter returns a number taken by compare-and-set and the hash beside it: the `n` and `prev` of this node's receipts
// and notes. One never advanced is zero.
func (s *Store) Counter(ctx context.Context, name string) (n uint64, h Hash, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT n,hash FROM fayi_counter WHERE name=?", name).Scan(&n, &h)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, Hash{}, nil
	}
	if err != nil {
		return 0, Hash{}, fmt.Errorf("read counter %s: %w", name, err)
	}
	return n, h, nil
}

// AdvanceCounter moves a counter from fromN to a higher toN and sets its hash; false if it does not stand at fromN. The
// name is 1–128 bytes.
func (s *Store) AdvanceCounter(ctx context.Context, name string, fromN, toN uint64, h Hash) (bool, error) {
	if err := checkCounter(name, fromN, toN); err != nil {
		return false, err
	}
	var ok bool
	err := s.InTx(ctx, func(tx *sql.Tx) (err error) {
		ok, err = s.advance(ctx, tx, name, fromN, toN, h)
		return err
	})
	return ok && err == nil, err
}

func checkCounter(name string, fromN, toN uint64) error {
	if name == "" || len(name) > 128 || toN <= fromN || toN > maxNumber {
		return fmt.Errorf("%w: counter %q from %d to %d", ErrInvalid, cut(name, 128), fromN, toN)
	}
	return nil
}

func (s *Store) advance(ctx context.Context, tx *sql.Tx, name string, fromN, toN uint64, h Hash) (bool, error) {
	if fromN == 0 {
		return changedOne(tx.ExecContext(ctx, s.d.insertIgnore+"fayi_counter (name,n,hash) VALUES (?,?,?)", name, num(toN), h))
	}
	return changedOne(tx.ExecContext(ctx, "UPDATE fayi_counter SET n=?, hash=? WHERE name=? AND n=?", num(toN), h, name, num(fromN)))
}
