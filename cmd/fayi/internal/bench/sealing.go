package bench

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"github.com/klauspost/compress/gzip"
)

// sealing measures one core sealing and opening full segments, and the same bytes through their parts alone: SM3 once
// over the lines, gzip at the same level, SM4-GCM over what is left, one SM2 signature and one wrapped key (to seal), or
// one verified and one unwrapped (to open).
func sealing(ctx context.Context, l *lab, r *Row) error {
	s, err := l.build(ctx, province, city)
	if err != nil {
		return err
	}
	defer s.close()
	origin, err := identity(s, city)
	if err != nil {
		return err
	}
	reader, err := identity(s, province)
	if err != nil {
		return err
	}
	var lines [][]byte
	size := 0
	for rec := range records(0, seal.MaxLines) {
		line := seal.Line{Seq: uint64(len(lines) + 1), Key: rec.Key, Op: seal.Put, At: sign.Now(), Src: "main", Ref: "main:1:1", Data: rec.Data}
		if _, err := rand.Read(line.Salt[:]); err != nil {
			return err
		}
		raw := seal.AppendLine(nil, &line)
		if size += len(raw) + 1; size > seal.MaxLineBytes {
			break
		}
		lines = append(lines, raw)
	}
	typ, err := currentCase()
	if err != nil {
		return err
	}
	draft := seal.Draft{Stream: stream, Gen: 1, First: 1, Schema: typ.Ref(), Time: sign.Now()}
	w := &work{origin: origin, reader: reader, lines: lines, draft: draft, joined: bytes.Join(lines, []byte("\n"))}
	if err := w.prepare(); err != nil {
		return err
	}
	r.Ours.Name = "seal"
	opened := Measure{Name: "open"}
	raw, rawOpen := Measure{Name: "parts of sealing"}, Measure{Name: "parts of opening"}
	var costSeal, costOpen []float64
	for range 2*l.Rounds + 1 {
		var v [4]float64
		for i, f := range []func() error{w.seal, w.parts, w.open, w.openParts} {
			if v[i], err = rate(f, len(lines), l.Scale); err != nil {
				return err
			}
		}
		r.Ours.add(v[0])
		raw.add(v[1])
		opened.add(v[2])
		rawOpen.add(v[3])
		costSeal, costOpen = append(costSeal, v[1]/v[0]), append(costOpen, v[3]/v[2])
	}
	_ = l.profile("-seal", func() error { _, err := rate(w.seal, len(lines), l.Scale); return err })
	_ = l.profile("-open", func() error { _, err := rate(w.open, len(lines), l.Scale); return err })
	r.Ours.also("cost against its parts", median(costSeal))
	opened.also("cost against its parts", median(costOpen))
	r.Others = []Measure{raw, opened, rawOpen}
	r.Against = "parts, the dearer of seal and open"
	r.Ratio = round(max(median(costSeal), median(costOpen)))
	r.Reached = r.Ratio <= 1.2
	return nil
}

// work is one segment's worth.
type work struct {
	origin, reader *keys.Identity
	lines          [][]byte
	draft          seal.Draft
	joined         []byte
	sealed         *seal.Segment
	readers        []seal.Reader
	gcm            cipher.AEAD
	nonce          []byte
	zipped, shut   []byte
	buf            bytes.Buffer
	out            []byte
}

func (w *work) prepare() (err error) {
	if w.sealed, err = seal.Seal(w.draft, w.lines, w.origin.Signer); err != nil {
		return err
	}
	if w.readers, err = seal.WrapFor(w.sealed.Key, w.reader.EncCert); err != nil {
		return err
	}
	block, err := sm4.NewCipher(w.sealed.Key)
	if err != nil {
		return err
	}
	if w.gcm, err = cipher.NewGCM(block); err != nil {
		return err
	}
	w.nonce = make([]byte, w.gcm.NonceSize())
	if err := w.zip(); err != nil {
		return err
	}
	w.zipped = bytes.Clone(w.buf.Bytes())
	w.shut = w.gcm.Seal(nil, w.nonce, w.zipped, nil)
	return nil
}

var zipper, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed)

func (w *work) zip() error {
	w.buf.Reset()
	zipper.Reset(&w.buf)
	if _, err := zipper.Write(w.joined); err != nil {
		return err
	}
	return zipper.Close()
}

func (w *work) seal() error {
	seg, err := seal.Seal(w.draft, w.lines, w.origin.Signer)
	if err != nil {
		return err
	}
	_, err = seal.WrapFor(seg.Key, w.reader.EncCert)
	return err
}

func (w *work) parts() error {
	sm3.Sum(w.joined)
	if err := w.zip(); err != nil {
		return err
	}
	w.out = w.gcm.Seal(w.out[:0], w.nonce, w.buf.Bytes(), nil)
	if _, err := w.origin.Signer.Sign(keys.SegmentV1, w.sealed.Bytes); err != nil {
		return err
	}
	_, err := w.reader.EncCert.Wrap(w.sealed.Key)
	return err
}

func (w *work) open() error {
	h, err := seal.ParseHeader(w.sealed.Bytes)
	if err != nil {
		return err
	}
	if err := seal.VerifyHeader(w.origin.SignCert, w.sealed.Bytes, w.sealed.Sig); err != nil {
		return err
	}
	key, err := seal.Unwrap(w.reader.Unwrapper, w.readers)
	if err != nil {
		return err
	}
	_, err = seal.Open(h, w.sealed.Bytes, w.sealed.Body, key)
	return err
}

func (w *work) openParts() error {
	if err := seal.VerifyHeader(w.origin.SignCert, w.sealed.Bytes, w.sealed.Sig); err != nil {
		return err
	}
	if _, err := w.reader.Unwrapper.Unwrap(w.readers[0].Wrapped); err != nil {
		return err
	}
	var err error
	if w.out, err = w.gcm.Open(w.out[:0], w.nonce, w.shut, nil); err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(w.out))
	if err != nil {
		return err
	}
	w.buf.Reset()
	if _, err := io.Copy(&w.buf, z); err != nil {
		return err
	}
	sm3.Sum(w.buf.Bytes())
	return nil
}

// rate runs f for half a second on one core and returns the records a second.
func rate(f func() error, records int, scale float64) (float64, error) {
	d := time.Duration(float64(500*time.Millisecond) * min(1, scale))
	began, n := time.Now(), 0
	for time.Since(began) < d || n == 0 {
		if err := f(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n*records) / time.Since(began).Seconds(), nil
}

// identity reads a member's keys.
func identity(s *scene, id string) (*keys.Identity, error) {
	dir := filepath.Join(s.Member(id).Dir, "keys")
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	pass, err := keys.ReadPassphrase(filepath.Join(dir, "passphrase"))
	if err != nil {
		return nil, err
	}
	return keys.LoadIdentity(dir, pass)
}
