package sign_test

import (
	"errors"
	"testing"

	"fayi/crypto/sign"
)

// What strangers send: nothing panics, and what is accepted is what would be
// written. Run one with go test -fuzz FuzzParseReceipt.

func fuzz[T any](f *testing.F, kind string, parse func([]byte) (*T, error)) {
	for _, o := range objects {
		f.Add([]byte(o.golden))
		if o.name != kind {
			continue
		}
		for _, body := range otherSpellings(f, o.golden) {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parse(body)
		if err != nil {
			if v != nil {
				t.Errorf("a value with error %v", err)
			}
			return
		}
		again, err := sign.Marshal(v)
		if err != nil || string(again) != string(body) {
			t.Errorf("accepted\n%s\nand writes\n%s, %v", body, again, err)
		}
	})
}

func FuzzParseReceipt(f *testing.F) { fuzz(f, "receipt", sign.ParseReceipt) }
func FuzzParseNote(f *testing.F)    { fuzz(f, "note", sign.ParseNote) }
func FuzzParseCall(f *testing.F)    { fuzz(f, "call", sign.ParseCall) }
func FuzzParseAnswer(f *testing.F)  { fuzz(f, "answer", sign.ParseAnswer) }
func FuzzParseEntry(f *testing.F)   { fuzz(f, "entry", sign.ParseEntry) }

func FuzzParsePack(f *testing.F)       { fuzz(f, "pack", sign.ParsePack) }
func FuzzParseGrant(f *testing.F)      { fuzz(f, "grant", sign.ParseGrant) }
func FuzzParseSignedPack(f *testing.F) { fuzz(f, "signed pack", sign.ParseSignedPack) }

func FuzzParseStream(f *testing.F) {
	f.Add(cases)
	f.Add(tickets)
	f.Add("610800/ticket/to-610000+610700")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := sign.ParseStream(name)
		if err == nil && s.String() != name || err != nil && !errors.Is(err, sign.ErrStreamName) {
			t.Errorf("%q is read as %v, %v", name, s, err)
		}
	})
}
