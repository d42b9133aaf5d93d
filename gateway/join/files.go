package join

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
)

const (
	maxFile    = 256 << 10 // bytes of a file that travels
	maxLineage = 16        // entries; real federations have four tiers
)

// Invite is the file a parent hands to a future child. The one-time code in it
// is a secret until it has served.
type Invite struct {
	V       int                `json:"v"`
	Place   Place              `json:"place"`
	Parent  string             `json:"parent"`
	URL     string             `json:"url"`     // of the parent, scheme://host:port; "" where it is not reached
	Lineage []sign.SignedEntry `json:"lineage"` // the anchor first, the parent last
	Code    sign.Nonce         `json:"code"`    // 16 random bytes
}

// Request is the child's answer: its two PKCS#10 requests and the certificate
// of its own registrar, all DER.
type Request struct {
	V         int        `json:"v"`
	Place     Place      `json:"place"`
	Parent    string     `json:"parent"`
	SignCSR   []byte     `json:"sign_csr"`
	EncCSR    []byte     `json:"enc_csr"`
	Registrar []byte     `json:"registrar"`
	Code      sign.Nonce `json:"invite_code"`
}

// Approval is the parent's: the child's lineage with its new entry, and its
// encryption certificate, which a carrier's entry does not name.
type Approval struct {
	V       int                `json:"v"`
	Node    string             `json:"node"`
	Enc     []byte             `json:"enc"`
	Lineage []sign.SignedEntry `json:"lineage"` // the anchor first, the new node last
}

// Read reads one of the three files strictly and checks what can be checked
// without context. Anything else is [ErrFile], or says which entry is bad.
func Read[T Invite | Request | Approval](r io.Reader) (*T, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if len(data) > maxFile {
		return nil, ErrFile.because(fmt.Errorf("more than %d bytes", maxFile))
	}
	v := new(T)
	if err := sign.Unmarshal(bytes.TrimRight(data, " \t\r\n"), v); err != nil {
		return nil, ErrFile.because(err)
	}
	switch f := any(v).(type) {
	case *Invite:
		err = f.check()
	case *Request:
		err = f.check()
	case *Approval:
		err = f.check()
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Bytes writes one of the three files: one line.
func Bytes[T Invite | Request | Approval](v *T) ([]byte, error) {
	b, err := sign.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return append(b, '\n'), nil
}

func checkVersion(v int) error {
	if v != 1 {
		return ErrFile.because(fmt.Errorf("version %d", v))
	}
	return nil
}

func (iv *Invite) check() error {
	if err := checkVersion(iv.V); err != nil {
		return err
	}
	if err := iv.Place.Check(); err != nil {
		return err
	}
	if iv.URL != "" {
		if err := CheckURL(iv.URL); err != nil {
			return err
		}
	}
	d, err := believe(iv.Place.Node, iv.Lineage, nil)
	if err != nil {
		return err
	}
	parent, ok := d.Node(iv.Parent)
	if !ok {
		return ErrEntry.because(fmt.Errorf("parent %q is not in the lineage", iv.Parent))
	}
	if !iv.Place.within(parent) {
		return ErrTerritory
	}
	return nil
}

// Anchor is the entry of the federation's root, which the child pins.
func (iv *Invite) Anchor() sign.SignedEntry { return iv.Lineage[0] }

func (r *Request) check() error {
	if err := checkVersion(r.V); err != nil {
		return err
	}
	if err := r.Place.Check(); err != nil {
		return err
	}
	for _, csr := range [][]byte{r.SignCSR, r.EncCSR} {
		p, err := keys.ParseRequest(csr)
		if err != nil {
			return ErrFile.because(err)
		}
		if p.Subject() != r.Place.Node {
			return ErrKeys.because(fmt.Errorf("request is of %q", p.Subject()))
		}
	}
	reg, err := keys.ParseCertificate(r.Registrar)
	if err != nil {
		return ErrFile.because(err)
	}
	if !reg.IsRegistrar() || !reg.CanSign() || reg.Subject() != r.Place.Node {
		return ErrKeys.because(fmt.Errorf("certificate of %q is not the registrar's", reg.Subject()))
	}
	return nil
}

func (a *Approval) check() error {
	if err := checkVersion(a.V); err != nil {
		return err
	}
	if len(a.Lineage) < 2 {
		return ErrFile.because(fmt.Errorf("%d entries", len(a.Lineage)))
	}
	return nil
}

// believe builds the directory that a lineage proves, starting from its first
// entry as anchor. pinned, if not nil, is what that anchor must be, byte by byte.
func believe(me string, lineage []sign.SignedEntry, pinned []byte) (*directory.Directory, error) {
	if len(lineage) == 0 || len(lineage) > maxLineage {
		return nil, ErrFile.because(fmt.Errorf("%d entries", len(lineage)))
	}
	if pinned != nil && !bytes.Equal(lineage[0].Entry, pinned) {
		return nil, ErrOtherAnchor
	}
	d := directory.New(me)
	if err := d.Pin(lineage[0]); err != nil {
		return nil, ErrEntry.because(err)
	}
	for _, se := range lineage[1:] {
		if _, err := d.Learn(se); err != nil {
			return nil, ErrEntry.because(err)
		}
	}
	return d, nil
}

// lineage returns the entries from the anchor down to node.
func lineage(d *directory.Directory, node string) ([]sign.SignedEntry, error) {
	var out []sign.SignedEntry
	for id := node; id != ""; {
		n, ok := d.Node(id)
		if !ok || len(out) == maxLineage {
			return nil, ErrUnknown.because(fmt.Errorf("%s has no complete lineage", node))
		}
		out = append([]sign.SignedEntry{n.Signed}, out...)
		id = n.Parent
	}
	return out, nil
}

func newCode() (c sign.Nonce, err error) {
	_, err = rand.Read(c[:])
	return c, err
}

// replaceFile writes a file of mode 0600 whole or not at all, durably.
func replaceFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once it has its name
	defer tmp.Close()
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if d, err := os.Open(dir); err == nil { // Windows cannot sync folders
		_ = d.Sync()
		d.Close()
	}
	return nil
}
