package join

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/directory"
	"fayi/gateway/replicate"
	"fayi/gateway/store"
	"fayi/outbox"
)

// nodeValidity is how long a node's certificates are good, five years. Mere
// expiry never stops a stream that an entry authorises (protocol §7).
const nodeValidity = 5 * 365 * 24 * time.Hour

// Found makes the root of a federation: it certifies the identity whose
// requests lie in keysDir by reg's own authority, installs the certificates
// there and returns the anchor entry, signed by reg. It writes no database; see
// [Announce].
func Found(reg *keys.Registrar, keysDir string, p Place, now time.Time) (sign.SignedEntry, error) {
	if err := p.Check(); err != nil {
		return sign.SignedEntry{}, err
	}
	signCSR, encCSR, err := keys.LoadRequests(keysDir)
	if err != nil {
		return sign.SignedEntry{}, err
	}
	signCert, encCert, err := certify(reg, p.Node, signCSR, encCSR, now)
	if err != nil {
		return sign.SignedEntry{}, err
	}
	se, err := signEntry(reg, p.entry("", signCert, encCert, reg.Cert, now))
	if err != nil {
		return sign.SignedEntry{}, err
	}
	return se, keys.InstallCertificates(keysDir, signCert.Raw(), encCert.Raw())
}

func certify(reg *keys.Registrar, node string, signCSR, encCSR []byte, now time.Time) (signCert, encCert *keys.Certificate, err error) {
	if signCert, err = reg.Authority.IssueNode(signCSR, node, keys.UsageSign, now, nodeValidity); err != nil {
		return nil, nil, ErrKeys.because(err)
	}
	if encCert, err = reg.Authority.IssueNode(encCSR, node, keys.UsageEncrypt, now, nodeValidity); err != nil {
		return nil, nil, ErrKeys.because(err)
	}
	return signCert, encCert, nil
}

func signEntry(reg *keys.Registrar, e *sign.Entry) (sign.SignedEntry, error) {
	body, sig, err := sign.Sign(reg.Signer, keys.EntryV1, e)
	if err != nil {
		return sign.SignedEntry{}, fmt.Errorf("join: entry of %s: %w", e.Node, err)
	}
	return sign.SignedEntry{Entry: body, Sigs: []sign.EntrySig{{By: sign.Hash(reg.Signer.ID()), Sig: sig}}}, nil
}

// Announce keeps an entry in the node's store and puts it into the node's own
// outbox as an exchange_node record, to be sealed into its exchange_node/public.
// Repeating it is harmless: an unchanged record is not sealed twice.
func Announce(ctx context.Context, st *store.Store, se sign.SignedEntry) error {
	e, err := sign.ParseEntry(se.Entry)
	if err != nil {
		return ErrEntry.because(err)
	}
	data, err := json.Marshal(se)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if err := replicate.SaveEntry(ctx, st, e, se); err != nil {
		return fmt.Errorf("join: keep entry of %s: %w", e.Node, err)
	}
	err = st.InTx(ctx, func(tx *sql.Tx) error {
		return outbox.PublishTo(ctx, tx, replicate.OwnOutbox, outbox.Record{Type: replicate.TypeNode, Key: e.Node, Op: outbox.Put, Payload: data})
	})
	if err != nil {
		return fmt.Errorf("join: announce %s: %w", e.Node, err)
	}
	return nil
}

// NewInvite writes an invitation by the node the directory is seen from. url is
// where the child reaches it, scheme://host:port, or "". Remember it with
// [Ledger.Add] before it leaves.
func NewInvite(d *directory.Directory, p Place, url string) (*Invite, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	line, err := lineage(d, d.Me())
	if err != nil {
		return nil, err
	}
	if _, ok := d.Node(p.Node); ok {
		return nil, ErrMember
	}
	code, err := newCode()
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	iv := &Invite{V: 1, Place: p, Parent: d.Me(), URL: url, Lineage: line, Code: code}
	if err := iv.check(); err != nil {
		return nil, err
	}
	return iv, nil
}

// NewRequest answers an invitation with the requests that [keys.CreateIdentity]
// left in keysDir and the node's own registrar, which it has from the start so
// that it may name children later. Calling it again gives the same request.
func NewRequest(iv *Invite, keysDir string, registrar *keys.Certificate) (*Request, error) {
	signCSR, encCSR, err := keys.LoadRequests(keysDir)
	if err != nil {
		return nil, err
	}
	r := &Request{V: 1, Place: iv.Place, Parent: iv.Parent, SignCSR: signCSR, EncCSR: encCSR, Registrar: registrar.Raw(), Code: iv.Code}
	return r, r.check()
}

// JoinCode is the code both screens show: [keys.JoinCode] over the two
// requests, the registrar's certificate and the anchor's entry bytes. The
// certificate is covered because the parent's signature makes its key one that
// may name further nodes; being DER, it ends itself.
func (r *Request) JoinCode(anchor sign.SignedEntry) string {
	return keys.JoinCode(r.SignCSR, r.EncCSR, slices.Concat(r.Registrar, anchor.Entry))
}

// Approver is a parent's side: its directory, loaded ([Directory]), its store
// and its memory of invitations. The registrar's key is asked for last.
type Approver struct {
	Directory *directory.Directory
	Store     *store.Store
	Ledger    *Ledger
}

// Check judges a request before anybody types a code, and returns the code this
// side computes. Errors: [ErrUnknown], [ErrNotInvited], [ErrUsed], [ErrTerritory],
// [ErrMember], [ErrOtherNode].
func (a *Approver) Check(r *Request) (code string, err error) {
	line, parent, err := a.parent(r)
	if err != nil {
		return "", err
	}
	inv, err := a.Ledger.find(r)
	if err != nil {
		return "", err
	}
	if !inv.Place.within(parent) {
		return "", ErrTerritory
	}
	if have, ok := a.Directory.Node(r.Place.Node); ok && !begun(have, r) {
		return "", ErrMember
	}
	return r.JoinCode(line[0]), nil
}

func (a *Approver) parent(r *Request) ([]sign.SignedEntry, *directory.Node, error) {
	if r.Parent != a.Directory.Me() {
		return nil, nil, ErrOtherNode.because(fmt.Errorf("request is to %q", r.Parent))
	}
	line, err := lineage(a.Directory, a.Directory.Me())
	if err != nil {
		return nil, nil, err
	}
	parent, _ := a.Directory.Node(a.Directory.Me())
	return line, parent, nil
}

// begun reports whether have is the entry an interrupted approval of r left.
func begun(have *directory.Node, r *Request) bool {
	if have.N != 1 || have.Parent != r.Parent || len(have.Entry.Sign) != 1 {
		return false
	}
	cert, err := keys.ParseCertificate(have.Entry.Sign[0].Cert)
	req, err2 := keys.ParseRequest(r.SignCSR)
	return err == nil && err2 == nil && cert.PublicKeyHex() == req.PublicKeyHex()
}

// Approve makes the requester a node: if typed is the code (compared in constant
// time) it issues certificates, signs the entry, keeps and announces it, and
// marks the invitation as used, last. After a crash in between, the same request
// may be approved again. Errors are those of [Approver.Check] and [ErrJoinCode];
// then nothing was changed.
func (a *Approver) Approve(ctx context.Context, reg *keys.Registrar, r *Request, typed string, now time.Time) (*Approval, error) {
	code, err := a.Check(r)
	if err != nil {
		return nil, err
	}
	if !keys.EqualJoinCode(typed, code) {
		return nil, ErrJoinCode
	}
	line, parent, err := a.parent(r)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(parent.Registrars, func(c sign.CertRef) bool { return bytes.Equal(c.Cert, reg.Cert.Raw()) }) {
		return nil, ErrKeys.because(fmt.Errorf("registrar %s is not named by the entry of %s", reg.Cert.ID(), parent.Entry.Node))
	}
	signCert, encCert, err := certify(reg, r.Place.Node, r.SignCSR, r.EncCSR, now)
	if err != nil {
		return nil, err
	}
	var se sign.SignedEntry
	if have, ok := a.Directory.Node(r.Place.Node); ok {
		se = have.Signed
		if c := have.Reader(); c != nil {
			encCert = c // of the interrupted try
		}
	} else {
		registrar, err := keys.ParseCertificate(r.Registrar)
		if err != nil {
			return nil, ErrFile.because(err)
		}
		if se, err = signEntry(reg, r.Place.entry(r.Parent, signCert, encCert, registrar, now)); err != nil {
			return nil, err
		}
		if _, err := a.Directory.Learn(se); err != nil { // what others will judge
			return nil, ErrEntry.because(err)
		}
	}
	if err := Announce(ctx, a.Store, se); err != nil {
		return nil, err
	}
	if err := a.Ledger.use(sign.Sum(r.Code[:])); err != nil {
		return nil, err
	}
	return &Approval{V: 1, Node: r.Place.Node, Enc: encCert.Raw(), Lineage: append(line, se)}, nil
}

// Install finishes a join at the child: it checks the approval against the
// anchor of the invitation and against the node's own request, puts the
// certificates beside the keys and the entries into the store. Repeating it
// with the same approval is harmless. Errors: [ErrOtherAnchor], [ErrEntry],
// [ErrOtherNode], [ErrKeys]; then nothing was changed.
func Install(ctx context.Context, st *store.Store, keysDir string, iv *Invite, own *Request, a *Approval) error {
	d, err := believe(iv.Place.Node, a.Lineage, iv.Anchor().Entry)
	if err != nil {
		return err
	}
	me, ok := d.Node(iv.Place.Node)
	if !ok || a.Node != iv.Place.Node || me.Parent != iv.Parent {
		return ErrOtherNode
	}
	e := me.Entry
	stated := Place{Node: e.Node, Names: e.Names, Territory: e.Territory}
	if len(e.Roles) == 1 {
		stated.Role = e.Roles[0]
	}
	switch {
	case !stated.equal(&iv.Place):
		return ErrEntry.because(fmt.Errorf("entry of %s differs from the invitation", e.Node))
	case len(e.Registrars) != 1 || !bytes.Equal(e.Registrars[0].Cert, own.Registrar):
		return ErrKeys.because(fmt.Errorf("entry names another registrar of %s", e.Node))
	case len(e.Enc) > 0 && !bytes.Equal(e.Enc[0].Cert, a.Enc):
		return ErrKeys.because(fmt.Errorf("two encryption certificates of %s", e.Node))
	}
	if err := keys.InstallCertificates(keysDir, e.Sign[0].Cert, a.Enc); err != nil {
		return ErrKeys.because(err)
	}
	for _, se := range a.Lineage {
		entry, err := sign.ParseEntry(se.Entry)
		if err != nil {
			return ErrEntry.because(err)
		}
		if err := replicate.SaveEntry(ctx, st, entry, se); err != nil {
			return fmt.Errorf("join: keep entry of %s: %w", entry.Node, err)
		}
	}
	return nil
}

// Directory builds the directory that a node's store holds, for commands that
// need no running node.
func Directory(ctx context.Context, st *store.Store, me string) (*directory.Directory, error) {
	d := directory.New(me)
	if err := replicate.FillDirectory(ctx, st, d); err != nil {
		return nil, ErrEntry.because(err)
	}
	return d, nil
}
