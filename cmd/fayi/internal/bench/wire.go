package bench

import (
	"context"
	"fmt"
	"time"

	"fayi/crypto/seal"
	"fayi/crypto/sign"
	"fayi/gateway/call"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// serve measures a node that answers fetch calls, in a process of its own on one core: records in full segments a
// second of its and the database server's processor time.
func serve(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi, full segments"
	small := Measure{Name: "fayi, 10 records a segment"}
	for i, m := range []*Measure{&r.Ours, &small} {
		w, err := l.wire(ctx, []int{0, 10}[i])
		if err != nil {
			return err
		}
		err = w.serve(ctx, l, m)
		w.close()
		if err != nil {
			return err
		}
	}
	r.Others = []Measure{small}
	r.Reached = r.Ours.Value >= 1e6 && small.Value >= 3e5
	return nil
}

// poll measures the other end: records a second of its own processor time, from the call to the opened lines with the
// root checked, and with every record judged by its schema.
func poll(ctx context.Context, l *lab, r *Row) error {
	r.Ours.Name = "fayi, roots checked"
	judged := Measure{Name: "fayi, schemas validated too"}
	w, err := l.wire(ctx, 0)
	if err != nil {
		return err
	}
	defer w.close()
	if err := l.profile("", func() error { return w.poll(ctx, l, &r.Ours, false) }); err != nil {
		return err
	}
	if err := w.poll(ctx, l, &judged, true); err != nil {
		return err
	}
	r.Others = []Measure{judged}
	r.Reached = r.Ours.Value >= 1e5
	return nil
}

// wire is a city that serves in a process of its own, and the province that asks in this one.
type wireScene struct {
	*scene
	city   *process
	engine *replicate.Engine
	pack   *schemas.Type
}

// wire builds it with a stream of full segments, or of so many records a segment.
func (l *lab) wire(ctx context.Context, perSegment int) (*wireScene, error) {
	s, err := l.build(ctx, province, city)
	if err != nil {
		return nil, err
	}
	w := &wireScene{scene: s, engine: s.Member(province).Node.Engine()}
	if err := w.publish(ctx, l, perSegment); err != nil {
		s.close()
		return nil, err
	}
	if w.pack, err = currentCase(); err != nil {
		s.close()
		return nil, err
	}
	if w.city, err = s.spawn(ctx, 1, city); err != nil {
		s.close()
		return nil, err
	}
	return w, nil
}

func currentCase() (*schemas.Type, error) {
	packs, err := schemas.Load(schemas.Embedded())
	if err != nil {
		return nil, err
	}
	t, _ := packs.Current("legal_aid_case")
	return t, nil
}

func (w *wireScene) close() {
	if w.city != nil {
		_ = w.city.end()
	}
	w.scene.close()
}

// publish lets the city seal records, and the province take its directory.
func (w *wireScene) publish(ctx context.Context, l *lab, perSegment int) error {
	origin := w.Member(city).Store
	w.start(ctx)
	n := l.amount(20_000)
	if perSegment == 0 {
		if _, err := fill(ctx, origin, outbox.Table, records(0, n)); err != nil {
			return err
		}
	} else {
		n = l.amount(300) * perSegment
		var at int
		all := make([]seqRecord, 0, n)
		for rec := range records(0, n) {
			all = append(all, rec)
		}
		for ; at < n; at += perSegment {
			if _, err := fill(ctx, origin, outbox.Table, each(all[at:at+perSegment])); err != nil {
				return err
			}
			if err := await(ctx, origin, stream, uint64(at+perSegment), time.Minute); err != nil {
				return err
			}
		}
	}
	if err := await(ctx, w.Member(province).Store, stream, uint64(n), 2*time.Minute); err != nil {
		return err
	}
	return w.halt()
}

// fetchArgs and fetchResult are those of the call (protocol §5).
type fetchArgs struct {
	Streams  []sign.Head `json:"streams"`
	MaxBytes uint64      `json:"max_bytes"`
}

type fetchResult struct {
	Streams   []replicate.StreamResult `json:"streams"`
	PollAfter uint64                   `json:"poll_after"`
}

// all fetches the stream from its beginning and gives each answer's frames to f.
func (w *wireScene) all(ctx context.Context, f func([]seal.Frame) error) (records int, err error) {
	st, err := w.Member(city).Store.StreamByName(ctx, stream)
	if err != nil {
		return 0, err
	}
	at := sign.Head{Stream: stream}
	for store.Hash(at.Hash) != st.Hash {
		var res fetchResult
		frames, err := w.engine.Client.Do(ctx, w.city.urls[city], city, call.OpFetch, fetchArgs{[]sign.Head{at}, 8 << 20}, nil, &res)
		if err != nil {
			return records, err
		}
		if len(frames) == 0 && res.PollAfter > 0 {
			time.Sleep(time.Duration(res.PollAfter) * time.Millisecond)
			continue
		}
		if len(frames) == 0 {
			return records, fmt.Errorf("nothing after %d of %d", at.Last, st.Seq)
		}
		if f != nil {
			if err := f(frames); err != nil {
				return records, err
			}
		}
		h, err := seal.ParseHeader(frames[len(frames)-1].Header)
		if err != nil {
			return records, err
		}
		at.Gen, at.Last, at.Hash = h.Gen, h.Last(), sign.Sum(frames[len(frames)-1].Header)
	}
	return int(st.Seq), nil
}

func (w *wireScene) serve(ctx context.Context, l *lab, m *Measure) error {
	db, err := l.server.Pid()
	if err != nil {
		return err
	}
	if _, err := w.all(ctx, nil); err != nil { // warm
		return err
	}
	for range l.Rounds {
		n := 0
		node, server, began := cpuOf(w.city.pid()), cpuOf(db), time.Now()
		for time.Since(began) < l.span(3*time.Second) || n == 0 {
			k, err := w.all(ctx, nil)
			if err != nil {
				return err
			}
			n += k
		}
		node, server = cpuOf(w.city.pid())-node, cpuOf(db)-server
		m.add(float64(n) / max(node+server, time.Millisecond).Seconds())
		m.also("node alone", float64(n)/max(node, time.Millisecond).Seconds())
	}
	return nil
}

func (w *wireScene) poll(ctx context.Context, l *lab, m *Measure, judge bool) error {
	for range l.Rounds {
		n := 0
		used, began := cpu(), time.Now()
		for time.Since(began) < l.span(3*time.Second) || n == 0 {
			k, err := w.all(ctx, func(frames []seal.Frame) error { return w.open(frames, judge) })
			if err != nil {
				return err
			}
			n += k
		}
		m.add(float64(n) / max(cpu()-used, time.Millisecond).Seconds())
	}
	return nil
}

// open does with frames what a reader must: key and signature, content key, lines, root, and the schema.
func (w *wireScene) open(frames []seal.Frame, judge bool) error {
	for i := range frames {
		f := &frames[i]
		h, err := seal.ParseHeader(f.Header)
		if err != nil {
			return err
		}
		key, ok := w.engine.Directory.Key(h.Key)
		if !ok {
			return fmt.Errorf("key %s is unknown", h.Key)
		}
		if err := seal.VerifyHeader(key.Cert, f.Header, f.Sig); err != nil {
			return err
		}
		content, err := seal.Unwrap(w.engine.Unwrapper, f.Readers)
		if err != nil {
			return err
		}
		lines, err := seal.Open(h, f.Header, f.Body, content)
		if err != nil {
			return err
		}
		if judge {
			if refused := replicate.Judge(w.pack, h, "legal_aid_case", lines); len(refused) > 0 {
				return fmt.Errorf("%d of %d records refused", len(refused), len(lines))
			}
		}
	}
	return nil
}
