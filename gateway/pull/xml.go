package pull

import (
	"errors"
	"fmt"
	"os"

	"fayi/crypto/sign"
	"fayi/schemas/sfxml"
)

// With Options.XML a stream's file is one message (docs/xml.md) that is closed
// after every segment: its end lies beyond the position, where the next segment
// or the next start cuts it off and writes it again.

// appendXML writes a record in the form of the type its segment names.
func (p *puller) appendXML(dst []byte, ref string, r record) ([]byte, error) {
	m := p.mappings[ref]
	if m == nil {
		typ, ok := p.registry.Load().ByRef(ref)
		if !ok {
			return dst, fmt.Errorf("no type %s", ref) // the line was judged by it
		}
		var err error
		if m, err = sfxml.New(typ); err != nil {
			return dst, err
		}
		p.mappings[ref] = m
	}
	return m.AppendRecord(dst, sfxml.Record{Op: r.Op, Key: r.Key, Schema: ref, Gen: r.Gen, Seq: r.Seq, At: r.At, Src: r.Src, Data: r.Data})
}

// begin is what stands before the first record of a stream's file, end behind
// the last.
func (p *puller) begin(stream string) []byte {
	if s, err := sign.ParseStream(stream); p.opts.XML && err == nil {
		return sfxml.AppendOpen(nil, s.Type, sfxml.Head{Stream: stream})
	}
	return nil
}

func (p *puller) end() string {
	if p.opts.XML {
		return sfxml.Close
	}
	return ""
}

// cut shortens a stream's file to its position and closes it again.
func (p *puller) cut(path string, at position) error {
	if err := os.Truncate(path, at.Bytes); err != nil || at.Bytes == 0 {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(p.end())
	return errors.Join(err, f.Close())
}
