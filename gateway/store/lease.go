package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// LeaseTimeout is how long a beat counter must stand still, on the challenger's own monotonic clock, before the lease
// is taken over (review F38).
const LeaseTimeout = 2 * time.Second

// Lease saves processes from doing one piece of work twice: one a source, a peer, a consumer (design §5). It is not
// what keeps data right; that is the compare-and-set of each operation. No wall clock takes part: the holder counts
// up, and a challenger who sees the counter unchanged for [LeaseTimeout] takes over by compare-and-set.
type Lease struct {
	// Now replaces the clock: the time since some moment of this process's own choosing, by a clock that nobody sets.
	// Set it before the first Try. It is a duration so that no wall clock can take part.
	Now func() time.Duration

	s           *Store
	name, owner string

	mu      sync.Mutex
	held    bool
	seen    string // owner and beat of somebody else, as last seen
	from    string // who held it before this one, as far as anybody did
	seenAt  time.Duration
	renewed time.Duration
}

// freed marks the owner of a lease that was given back: it is free, and it shows whose it was.
const freed = "~"

// started is the moment from which this process counts.
var started = time.Now()

// NewLease prepares a lease; it touches nothing yet. name and owner are 1–96 bytes; owner is for people, and what tells
// two processes of one configuration apart is added by itself.
func NewLease(s *Store, name, owner string) *Lease {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return &Lease{s: s, name: name, owner: owner + "#" + hex.EncodeToString(id[:])}
}

var errLeaseShape = fmt.Errorf("%w: lease name and owner are 1–96 bytes", ErrInvalid)

// Try takes or keeps the lease and tells whether it is held now. A holder is to call it about every 500 ms, a
// challenger more often, since it counts from when it first saw the last beat; a holder that does not call it for [LeaseTimeout] loses it to the next challenger. After an error the lease
// counts as not held.
func (l *Lease) Try(ctx context.Context) (held bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name == "" || len(l.name) > 96 || len(l.owner) > 96+17 {
		return false, errLeaseShape
	}
	l.held = false
	start := l.now()
	owner, beat, err := l.state(ctx)
	if err != nil {
		return false, err
	}
	free := owner == "" || strings.HasPrefix(owner, freed)
	if owner != l.owner && !free {
		if seen := fmt.Sprint(owner, " ", beat); seen != l.seen {
			l.seen, l.seenAt = seen, start
			return false, nil
		}
		if start-l.seenAt < LeaseTimeout {
			return false, nil
		}
	}
	err = l.s.InTx(ctx, func(tx *sql.Tx) error {
		l.held, err = changedOne(tx.ExecContext(ctx, "UPDATE fayi_lease SET owner=?, beat=? WHERE name=? AND owner=? AND beat=?",
			l.owner, num(beat+1), l.name, owner, num(beat)))
		return err
	})
	if err != nil {
		l.held = false // with an unknown outcome the next Try finds out: the owner is this lease alone
		return false, fmt.Errorf("lease %s: %w", l.name, err)
	}
	if l.renewed = start; l.held && owner != l.owner {
		l.from, _, _ = strings.Cut(strings.TrimPrefix(owner, freed), "#")
	}
	return l.held, nil
}

// From is the owner, as given to NewLease, who held the lease before it was last taken; "" if nobody did.
func (l *Lease) From() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.from
}

// Held tells, without asking the database, whether the last Try succeeded and is not so old that another may have taken
// over.
func (l *Lease) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held && l.now()-l.renewed < LeaseTimeout
}

// Release gives a held lease back, so that another need not wait. Of one not held it changes nothing.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	return l.s.InTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE fayi_lease SET owner=?, beat=beat+1 WHERE name=? AND owner=?", freed+l.owner, l.name, l.owner)
		return err
	})
}

func (l *Lease) now() time.Duration {
	if l.Now != nil {
		return l.Now()
	}
	return time.Since(started) // by its monotonic reading
}

// state reads the lease's row and adds a free one if there is none.
func (l *Lease) state(ctx context.Context) (owner string, beat uint64, err error) {
	read := func() error {
		return l.s.read.QueryRowContext(ctx, "SELECT owner,beat FROM fayi_lease WHERE name=?", l.name).Scan(&owner, &beat)
	}
	if err = read(); errors.Is(err, sql.ErrNoRows) {
		err = l.s.InTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, l.s.d.insertIgnore+"fayi_lease (name,owner,beat) VALUES (?,'',0)", l.name)
			return err
		})
		if err == nil {
			err = read()
		}
	}
	if err != nil {
		return "", 0, fmt.Errorf("lease %s: %w", l.name, err)
	}
	return owner, beat, nil
}
