package simulator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
)

// Ticket is what the simulated hotline has of one hand-off.
type Ticket struct {
	Number    string          `json:"number"`
	HandoffID string          `json:"handoffId,omitempty"`
	Round     int             `json:"round"`
	State     ticket.State    `json:"state"`
	Incoming  bool            `json:"incoming"` // offered to us by the node; otherwise the hotline's own
	Offers    int             `json:"offers"`   // how often the offer came, however answered
	Offer     *profile.Words  `json:"offer"`
	Received  []profile.Words `json:"received"`        // events of the node, each once
	Repeats   int             `json:"repeats"`         // events that came again
	Steps     []profile.Words `json:"steps,omitempty"` // the flow, dispatches included
}

// Files the node sent, by number.
type file struct {
	Number  string            `json:"number"`
	Meta    ticket.Attachment `json:"meta"`
	Size    int64             `json:"size"`
	content []byte
}

// entry is one line of the journal. Applying all of them in order gives the state.
type entry struct {
	Op      string         `json:"op"` // offer, repeat, event, echo, act, own, piece, number
	Number  string         `json:"number,omitempty"`
	Verb    ticket.Verb    `json:"verb,omitempty"`
	State   ticket.State   `json:"state,omitempty"`
	Words   *profile.Words `json:"words,omitempty"`
	Content []byte         `json:"content,omitempty"`
	At      time.Time      `json:"at"`
}

// store is the state behind a simulator.
type store struct {
	mu      sync.Mutex
	f       *os.File // nil: nothing is kept
	tickets []*Ticket
	byKey   map[string]*Ticket // handoffId#round
	byNo    map[string]*Ticket
	events  map[string]bool // ids of received events
	news    []profile.Words // in the order they happened, for pulls
	files   map[string]*file
	numbers int
	pattern string
}

func openStore(path, pattern string) (*store, error) {
	s := &store{byKey: map[string]*Ticket{}, byNo: map[string]*Ticket{}, events: map[string]bool{}, files: map[string]*file{}, pattern: pattern}
	if pattern == "" {
		s.pattern = "SIM-{date}-{n}"
	}
	if path == "" {
		return s, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	good, err := s.replay(f)
	if err == nil {
		err = f.Truncate(good) // a line cut by a crash was never answered
	}
	if err == nil {
		_, err = f.Seek(good, 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("simulator: journal %s: %w", path, err)
	}
	s.f = f
	return s, nil
}

func (s *store) replay(f *os.File) (good int64, err error) {
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil { // the end, perhaps in the middle of a line
			return good, nil
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return good, err
		}
		s.apply(&e)
		good += int64(len(line))
	}
}

// commit writes an entry, syncs it and applies it. The caller holds mu.
func (s *store) commit(e *entry) error {
	if s.f != nil {
		b, err := ticket.Encode(e)
		if err != nil {
			return err
		}
		if _, err := s.f.Write(append(b, '\n')); err != nil {
			return err
		}
		if err := s.f.Sync(); err != nil {
			return err
		}
	}
	s.apply(e)
	return nil
}

func key(id string, round int) string { return fmt.Sprintf("%s#%d", id, max(round, 1)) }

func (s *store) apply(e *entry) {
	w := e.Words
	switch e.Op {
	case "offer":
		t := s.byNo[e.Number]
		if t == nil {
			t = &Ticket{Number: e.Number, Incoming: true}
			s.tickets, s.byNo[e.Number] = append(s.tickets, t), t
		}
		t.HandoffID, t.Round, t.State, t.Offer, t.Offers = w.HandoffID, max(w.Round, 1), ticket.Offered, w, t.Offers+1
		s.byKey[key(w.HandoffID, w.Round)] = t
		s.numbers++
	case "repeat":
		s.byNo[e.Number].Offers++
	case "event":
		t := s.byNo[e.Number]
		t.Received = append(t.Received, *w)
		s.events[eventKey(w)] = true
		if e.State != "" {
			t.State = e.State
		}
	case "echo":
		s.byNo[e.Number].Repeats++
	case "own":
		t := &Ticket{Number: e.Number, Round: max(w.Round, 1), State: ticket.Offered, Offer: w, HandoffID: w.HandoffID}
		s.tickets, s.byNo[e.Number] = append(s.tickets, t), t
		s.numbers++
	case "act":
		t := s.byNo[e.Number]
		t.Steps = append(t.Steps, *w)
		s.news = append(s.news, *w)
		if e.State != "" {
			t.State = e.State
		}
	case "step": // in the flow, told to nobody as news
		t := s.byNo[e.Number]
		t.Steps = append(t.Steps, *w)
	case "piece":
		f := s.files[e.Number]
		if f == nil {
			f = &file{Number: e.Number}
			s.files[e.Number] = f
		}
		if w.File != nil {
			f.Meta = *w.File
		}
		if w.From == int64(len(f.content)) {
			f.content = append(f.content, e.Content...)
		}
		f.Size = int64(len(f.content))
	}
}

// eventKey tells events apart: by their id, or where the interface has none by
// what they are.
func eventKey(w *profile.Words) string {
	if w.EventID != "" {
		return w.EventID
	}
	if w.Key != "" {
		return w.Key
	}
	text := ""
	if w.Payload != nil {
		text = w.Payload.Text
	}
	return fmt.Sprintf("%s|%s|%s|%s", w.PeerNo, w.Code, w.At, text)
}

var errUnknown = errors.New("simulator: no such ticket")

// find is the ticket of a hand-off or number; the newest round of a hand-off.
func (s *store) find(handoff, number string) *Ticket {
	if t := s.byNo[number]; t != nil {
		return t
	}
	for _, t := range slices.Backward(s.tickets) {
		if handoff != "" && t.HandoffID == handoff {
			return t
		}
	}
	return nil
}

func (s *store) newNumber(at time.Time) string {
	return strings.NewReplacer("{date}", at.Format("20060102"), "{n}", fmt.Sprintf("%04d", s.numbers+1)).Replace(s.pattern)
}
