package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"fayi/outbox"
)

// What callers branch on. Every one of them means that nothing was changed, except [ErrOutcomeUnknown].
var (
	// ErrHeadMoved: the stream does not end where the caller thought; read it again and decide anew.
	ErrHeadMoved = errors.New("store: the head of the stream has moved")
	// ErrCheckedMoved: somebody else judged the stream further meanwhile.
	ErrCheckedMoved = errors.New("store: the stream was judged further meanwhile")
	// ErrCursorMoved: somebody else delivered to the inbox meanwhile.
	ErrCursorMoved = errors.New("store: the inbox cursor has moved")
	// ErrSegmentHeld: a segment with this stream, generation and first number is stored already, live or orphan.
	ErrSegmentHeld = errors.New("store: a segment with this position is stored already")
	// ErrNotHeld: the segment or header a call names is not stored.
	ErrNotHeld = errors.New("store: segment not held")
	// ErrUnknownStream: no stream has this number.
	ErrUnknownStream = errors.New("store: unknown stream")
	// ErrInvalid: the arguments break a rule of the store (a gap, a wrong prev, a value out of range).
	ErrInvalid = errors.New("store: invalid argument")
	// ErrKeyReused: an idempotency key came again with another request.
	ErrKeyReused = errors.New("store: idempotency key used for another request")
	// ErrEntryDiffers: a directory entry with this node and number is stored with other bytes.
	ErrEntryDiffers = errors.New("store: another entry with this number is stored")
	// ErrNewerDatabase: a later version of the program migrated this database.
	ErrNewerDatabase = errors.New("store: the database is newer than this program")
	// ErrOutcomeUnknown: the connection died during COMMIT. The transaction is either wholly there or wholly not;
	// the caller reads again what it wanted to change. It is never repeated blindly (review F39).
	ErrOutcomeUnknown = errors.New("store: outcome of the commit is unknown")
)

// maxNumber bounds every number of the protocol: integers stay below 2^53 (protocol §1).
const maxNumber = 1<<53 - 1

// Hash is an SM3 value, of a header, a receipt, a fingerprint. The store never computes one.
type Hash [32]byte

// String is the lower-case hexadecimal form the protocol uses.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h is all zeros, the `prev` of a stream's first segment (protocol §2).
func (h Hash) IsZero() bool { return h == Hash{} }

// Value makes a Hash a query argument of 32 bytes.
func (h Hash) Value() (driver.Value, error) { return h[:], nil }

// Scan reads a column of exactly 32 bytes.
func (h *Hash) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(h) {
		return fmt.Errorf("store: a hash column holds %T of another length", src)
	}
	copy(h[:], b)
	return nil
}

// Pos is a position in a stream: generation and number (protocol §2). The zero Pos lies before everything.
type Pos struct{ Gen, Seq uint64 }

// Compare orders positions lexicographically by generation, then number.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Gen, q.Gen), cmp.Compare(p.Seq, q.Seq))
}

// IsZero reports whether p lies before everything.
func (p Pos) IsZero() bool { return p == Pos{} }

// Head is the end of a stream's live chain: the last number stored and the hash of the header that holds it. The
// zero Head is an empty stream.
type Head struct {
	Pos
	Hash Hash
}

// Store is the node's database. Create it with [Open]; all methods are safe for concurrent use.
type Store struct {
	d     dialect
	dsn   string  // as the drivers take it, with the store's own settings
	write *sql.DB // MySQL: the pool; SQLite: one connection
	read  *sql.DB // MySQL: the same pool; SQLite: a pool of readers that refuses to write

	bodies Bodies // of archived segments; may be nil
}

// Open connects to the database. For [outbox.MySQL] dsn is a go-sql-driver data source name with a database in it;
// the settings the store rests on (binary character set, UTC, strict mode, found rows, refusal of read-only servers)
// are forced, whatever it says; of a cluster it may name several servers, user@failover(a:3306,b:3306)/database. For [outbox.SQLite] it is a path or a file: URI without parameters; the file is
// created readable by its owner only. Open does not migrate, see [Store.Migrate].
func Open(ctx context.Context, d outbox.Dialect, dsn string) (*Store, error) {
	s := &Store{}
	var err error
	switch d {
	case outbox.MySQL:
		err = s.openMySQL(dsn)
	case outbox.SQLite:
		err = s.openSQLite(ctx, dsn)
	default:
		err = fmt.Errorf("%w: unknown dialect %q", ErrInvalid, d)
	}
	if err == nil {
		err = s.write.PingContext(ctx)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// Close closes all connections; transactions under way end with an error.
func (s *Store) Close() error {
	var errs []error
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	return errors.Join(errs...)
}

// Dialect tells which family of databases this is.
func (s *Store) Dialect() outbox.Dialect { return s.d.kind }

// DB is the pool to read with, for instance by an outbox reader on the node's own tables. On SQLite it refuses to
// write; write through [Store.InTx].
func (s *Store) DB() *sql.DB { return s.read }

// now is the time stamped on rows, in Unix microseconds. It is shown to people and bounds retention; it decides
// neither order nor validity (protocol §1).
func now() int64 { return time.Now().UnixMicro() }

// num makes a number of the protocol an argument both drivers take. Larger ones mean "beyond everything stored".
func num(v uint64) int64 { return int64(min(v, maxNumber)) }

// blob keeps an empty value from becoming NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// cut shortens text that strangers may have made long to at most n bytes, at a character boundary where it has any.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}
