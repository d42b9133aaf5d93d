package sheet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
	"fayi/schemas"
)

// Peer is a party that exchanges sheets: what goes to it becomes files in a folder.
type Peer struct {
	p   *profile.Profile
	dir string
}

var _ ticket.Peer = (*Peer)(nil)

// Open makes the peer of a profile with a sheet; files go to dir, which is made.
func Open(p *profile.Profile, dir string) (*Peer, error) {
	if p.Sheet == nil {
		return nil, fmt.Errorf("%w: %s has no sheet", profile.ErrProfile, p.Profile)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Peer{p, dir}, nil
}

// About describes the profile.
func (x *Peer) About() ticket.About { return x.p.About() }

// Offer writes a file. A second one with the same key finds it there.
func (x *Peer) Offer(_ context.Context, o ticket.Offer) ticket.Outcome {
	w := profile.OfferWords(x.p, o)
	return x.put(o.Key, w)
}

// Send writes a file of one event.
func (x *Peer) Send(_ context.Context, m ticket.Message) ticket.Outcome {
	if _, ok := x.p.Verbs[string(m.Event.Verb)]; !ok {
		return ticket.Outcome{Class: ticket.Unable}
	}
	return x.put(m.Key, profile.EventWords(x.p, m))
}

// put writes one message, whole or not at all, under a name made of its key.
func (x *Peer) put(key string, w *profile.Words) ticket.Outcome {
	format := x.p.Sheet.Format
	if format == "" {
		format = "xlsx"
	}
	name := filepath.Join(x.dir, strings.NewReplacer("#", "-", "/", "_", "\\", "_", "..", "_").Replace(key)+"."+format)
	if _, err := os.Stat(name); err == nil {
		return ticket.Outcome{Class: ticket.Duplicate, Token: filepath.Base(name), Said: "file is there"}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	rows, err := x.rows(w)
	if err != nil {
		return ticket.Outcome{Class: ticket.Permanent, Err: err, Fault: &schemas.Fault{Code: "NOT_WRITABLE", Message: "本单不能写成表格（" + err.Error() + "）", MessageEN: err.Error(),
			Hint: "核对接口配置的 sheet.columns 和 maps"}}
	}
	data, err := write(format, rows)
	if err != nil {
		return ticket.Outcome{Class: ticket.Permanent, Err: err}
	}
	if err := writeFile(name, data); err != nil {
		return ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	return ticket.Outcome{Class: ticket.Delivered, Token: filepath.Base(name), Said: "file written"}
}

// rows is a header and the one row of a message: the hidden id, what we tell, and
// empty cells for what the party fills in.
func (x *Peer) rows(w *profile.Words) ([][]string, error) {
	n, err := w.Node(x.p)
	if err != nil {
		return nil, err
	}
	head, row := []string{idHeader}, []string{fmt.Sprintf("%s#%d", w.HandoffID, w.Round)}
	for _, c := range x.p.Sheet.Columns {
		cell := ""
		if v := n.Get(c.Field); c.Out && v != nil {
			cell = v.Value()
			if c.Map != "" && cell != "" {
				if cell, err = x.p.CodeTo(c.Map, cell); err != nil {
					return nil, err
				}
			}
			if t, ok := moment(cell); ok && strings.Contains(cell, "T") {
				cell = t.In(ticket.Shanghai).Format("2006-01-02 15:04:05")
			}
		}
		head, row = append(head, c.Title), append(row, cell)
	}
	return [][]string{head, row}, nil
}

// writeFile makes a file whole: a reader of the folder sees all of it or nothing.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

var unable = ticket.Outcome{Class: ticket.Unable}

// Query cannot be asked of a file.
func (x *Peer) Query(context.Context, ticket.Ref) ticket.Outcome { return unable }

// Pull brings nothing: files are imported by people ([Read], [Tray]).
func (x *Peer) Pull(context.Context, string, []ticket.Ref) (ticket.Batch, ticket.Outcome) {
	return ticket.Batch{}, unable
}

// Upload is not offered: files travel beside the sheet.
func (x *Peer) Upload(_ context.Context, _ ticket.Attachment, _ io.ReaderAt, from int64) (int64, ticket.Outcome) {
	return from, unable
}

// Fetch is not offered.
func (x *Peer) Fetch(context.Context, ticket.Attachment, int64, int64, io.Writer) ticket.Outcome {
	return unable
}

// Directory is not offered.
func (x *Peer) Directory(context.Context) ([]ticket.Unit, ticket.Outcome) { return nil, unable }

// Ping says whether files can be written.
func (x *Peer) Ping(context.Context) ticket.Outcome {
	if _, err := os.Stat(x.dir); err != nil {
		return ticket.Outcome{Class: ticket.Retry, Err: err}
	}
	return ticket.Outcome{Class: ticket.Delivered}
}

// Handler is nil: nobody calls.
func (x *Peer) Handler(ticket.Receiver) http.Handler { return nil }
