package courier

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/machine"
	"fayi/adapters/hotline/ticket"
	"fayi/schemas"
)

// How often a peer is asked: urgent matters, others, and when nothing is open.
const (
	everyUrgent = time.Minute
	everyNormal = 10 * time.Minute
	everyIdle   = 30 * time.Minute
)

// Pull asks the peer for news, if it is time. The place it has read to moves only behind what was applied; what comes
// twice is recognised.
func (c *Courier) Pull(ctx context.Context) (n int, err error) {
	mode := c.now.About().Can.Pull
	if mode == "" {
		return 0, nil
	}
	open, err := c.open(ctx, mode == "open")
	if err != nil || mode == "open" && len(open) == 0 || mode != "open" && !c.pullDue() {
		return 0, err
	}
	return c.PullNow(ctx, open)
}

func (c *Courier) pullDue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.desk.Now(); now.Sub(c.pullAt) >= everyUrgent || now.Before(c.pullAt) {
		c.pullAt = now
		return true
	}
	return false
}

// PullNow asks whether it is time or not; open are the hand-offs asked about one by one, all open ones for nil.
func (c *Courier) PullNow(ctx context.Context, open []ticket.Ref) (n int, err error) {
	if open == nil {
		if open, err = c.open(ctx, false); err != nil {
			return 0, err
		}
	}
	for range 100 {
		st, err := c.l.Peer(ctx, c.party)
		if err != nil {
			return n, err
		}
		batch, o := c.now.Pull(ctx, st.Cursor, open)
		if o.Class == ticket.Unable {
			return n, nil
		}
		c.judge(ctx, o, false)
		if o.Class != ticket.Delivered && o.Class != ticket.Found {
			return n, nil
		}
		if _, err := c.desk.Receive(ctx, c.party, batch.In); err != nil {
			return n, err
		}
		n += len(batch.In)
		if batch.Cursor != st.Cursor {
			err := c.l.InTx(ctx, func(t *ledger.Tx) error {
				return t.ChangePeer(c.party, c.desk.Now(), func(p *ledger.PeerState) { p.Cursor = batch.Cursor })
			})
			if err != nil {
				return n, err
			}
		}
		if !batch.More {
			break
		}
	}
	return n, nil
}

// overlap is how far back behind the last news a peer is asked by time.
const overlap = 10 * time.Minute

// open lists the hand-offs that want news; with due only those whose turn it is.
func (c *Courier) open(ctx context.Context, due bool) ([]ticket.Ref, error) {
	rows, err := c.l.Find(ctx, ledger.Filter{Peer: c.party, Direction: ticket.Out, Limit: 100_000})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.desk.Now()
	out := []ticket.Ref{}
	for _, r := range rows {
		if !machine.Live(r.State) && r.State != ticket.WithdrawRequested {
			delete(c.pulled, r.ID)
			continue
		}
		every := everyNormal
		if r.Urgency <= 1 || r.Emergency {
			every = everyUrgent
		} else if now.Sub(r.Updated) > 24*time.Hour {
			every = everyIdle
		}
		if due && now.Sub(c.pulled[r.ID]) < every {
			continue
		}
		c.pulled[r.ID] = now
		out = append(out, ticket.Ref{HandoffID: r.ID, Round: r.Round, PeerNo: r.PeerNo, Since: r.Updated.Add(-overlap), Urgent: r.Urgency <= 1})
	}
	return out, nil
}

// maxUploads is how often a file is tried before its ticket goes without it.
const maxUploads = 3

// offer sends an offer, its files first where the interface wants them so. A file that cannot go keeps no ticket.
func (c *Courier) offer(ctx context.Context, p ticket.Peer, d ledger.Delivery) ticket.Outcome {
	o := *d.Offer
	if st, err := c.l.Peer(ctx, c.party); err == nil && o.Unit != "" && len(st.Directory) > 0 &&
		!slices.ContainsFunc(st.Directory, func(u ticket.Unit) bool { return u.Code == o.Unit }) {
		return ticket.Outcome{Class: ticket.Permanent, Code: "UNIT_UNKNOWN", Said: "directory", Fault: &schemas.Fault{Code: "UNIT_UNKNOWN", Pointer: "/unit", Value: o.Unit,
			Message: "对方单位目录中没有代码 " + o.Unit, MessageEN: "the peer's directory has no unit " + o.Unit, Hint: "按对方最新目录改派单位后重发"}}
	}
	o.Appeal.Attachments = slices.Clone(o.Appeal.Attachments)
	if p.About().Can.Attachments == "two_step" {
		var kept []ticket.Attachment
		for _, f := range o.Appeal.Attachments {
			no, out := c.upload(ctx, p, d.Handoff, f)
			if out.Class == ticket.Retry || out.Class == ticket.Unknown {
				if d.Attempts < maxUploads {
					out.Class = ticket.Retry // the offer itself has not left
					return out
				}
			}
			if no == "" {
				c.failed(ctx, d.Handoff, f, out)
				continue
			}
			f.Ref = no
			kept = append(kept, f)
		}
		o.Appeal.Attachments = kept
	}
	return p.Offer(ctx, o)
}

// upload sends a file from where it stopped. The number is remembered, so that no file goes twice.
func (c *Courier) upload(ctx context.Context, p ticket.Peer, handoff string, f ticket.Attachment) (string, ticket.Outcome) {
	files, err := c.l.Files(ctx, handoff)
	if err != nil {
		return "", ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	i := slices.IndexFunc(files, func(x ledger.File) bool { return x.AttID == f.ID })
	if i < 0 || files[i].State != ledger.FileHere {
		return "", ticket.Outcome{Class: ticket.Permanent, Code: "FILE_MISSING"}
	}
	x := files[i]
	if x.Ref != "" {
		return x.Ref, ticket.Outcome{Class: ticket.Delivered}
	}
	var at int64
	fmt.Sscanf(x.Said, "sent %d", &at)
	o := ticket.Outcome{Class: ticket.Delivered}
	for x.Ref == "" && (o.Class == ticket.Delivered || o.Class == ticket.Duplicate) {
		var next int64
		next, o = p.Upload(ctx, f, c.l.Content(ctx, x.SM3), at)
		switch {
		case o.Class != ticket.Delivered && o.Class != ticket.Duplicate:
		case next >= x.Size:
			x.Ref = o.Number
			if x.Ref == "" {
				o.Class, o.Said = ticket.Permanent, "no file number"
			}
		case next <= at:
			o.Class, o.Said = ticket.Permanent, "no progress"
		}
		at = next
	}
	x.Said = ""
	if x.Ref == "" {
		x.Said = fmt.Sprintf("sent %d", at)
	}
	if err := c.l.InTx(ctx, func(t *ledger.Tx) error { return t.PutFile(x, c.desk.Now()) }); err != nil {
		return "", ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	return x.Ref, o
}

func (c *Courier) failed(ctx context.Context, handoff string, f ticket.Attachment, o ticket.Outcome) {
	code := o.Code
	if code == "" {
		code = "FILE_REFUSED"
	}
	if err := c.desk.FetchFailed(ctx, ledger.File{Handoff: handoff, AttID: f.ID, SM3: f.SM3, SHA256: f.SHA256, Size: f.Size, Peer: c.party}, code); err != nil {
		c.log.Error("hand-off file", "party", c.party, "handoff", handoff, "err", err)
	}
}

// Files fetches what the peer named, later and apart from the tickets.
func (c *Courier) Files(ctx context.Context) error {
	list, err := c.l.FilesWaiting(ctx, c.party)
	if err != nil {
		return err
	}
	limit := c.now.About().Can.MaxAttachment
	if limit <= 0 {
		limit = 20 << 20
	}
	for _, f := range list {
		row, err := c.l.Get(ctx, f.Handoff)
		if err != nil {
			return err
		}
		a := c.attachment(ctx, row, f)
		var buf bytes.Buffer
		o := c.peer(ctx, f.Handoff).Fetch(ctx, a, 0, limit, &buf)
		switch o.Class {
		case ticket.Delivered, ticket.Found:
			err = c.desk.Fetched(ctx, f, a.Name, buf.Bytes())
		case ticket.Permanent, ticket.Absent, ticket.Unable:
			code := o.Code
			if code == "" {
				code = desk.FileHost
			}
			err = c.desk.FetchFailed(ctx, f, code)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attachment is what the ticket said of a file.
func (c *Courier) attachment(ctx context.Context, row ledger.Row, f ledger.File) ticket.Attachment {
	if k, err := c.l.Case(ctx, row.CaseID); err == nil {
		for _, a := range k.Appeal.Attachments {
			if a.ID == f.AttID {
				return a
			}
		}
	}
	if events, err := c.l.Events(ctx, row.ID); err == nil {
		for _, e := range events {
			for _, a := range e.Payload.Attachments {
				if a.ID == f.AttID {
					return a
				}
			}
		}
	}
	return ticket.Attachment{ID: f.AttID, Name: path.Base(f.Ref), Ref: f.Ref, Size: f.Size, SM3: f.SM3, SHA256: f.SHA256}
}
