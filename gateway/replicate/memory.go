package replicate

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Memory bounds the bodies of frames that all loops and answers of a process
// hold on their way out, whatever peers are doing. The urgent lane has its own
// share. The zero value is ready.
type Memory struct {
	once  sync.Once
	lanes [every]*semaphore.Weighted
}

// Bytes of bodies on their way out at once.
const (
	urgentMemory = 16 << 20
	bulkMemory   = 64 << 20
)

func (m *Memory) of(l lane) *semaphore.Weighted {
	m.once.Do(func() {
		m.lanes[urgent], m.lanes[bulk] = semaphore.NewWeighted(urgentMemory), semaphore.NewWeighted(bulkMemory)
	})
	return m.lanes[min(l, bulk)]
}

// take waits for room for n bytes. The caller calls free when they are sent.
func (m *Memory) take(ctx context.Context, l lane, n int64) (free func(), err error) {
	s := m.of(l)
	if err := s.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { s.Release(n) }, nil
}

// try takes room for at most n bytes, at least least, if there is any now. It
// returns how much, zero for none.
func (m *Memory) try(l lane, n, least int64) (got int64, free func()) {
	s := m.of(l)
	for ; n >= least; n /= 2 {
		if s.TryAcquire(n) {
			return n, func() { s.Release(n) }
		}
	}
	return 0, nil
}
