package seal_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"fayi/crypto/keys"
	"fayi/crypto/seal"
	"fayi/crypto/sign"

	"pgregory.net/rapid"
)

var goodHeader = `{"v":1,"suite":"SM2-SM3-SM4GCM-1","stream":"610800/legal_aid_case/upstream","gen":1764230400,"first":1201,"count":500,"prev":"` + hexA +
	`","root":"` + hexA + `","schema":"legal_aid_case@1#` + hexA + `","time":"2026-11-22T12:00:00.123+08:00","key":"` + hexA + `"}`

func header() *seal.Header {
	d := draft()
	return &seal.Header{V: 1, Suite: seal.Suite, Stream: d.Stream, Gen: d.Gen, First: d.First, Count: 500, Prev: hashA, Root: hashA, Schema: schema, Time: noon, Key: hashA}
}

func TestHeader(t *testing.T) {
	if got := must(sign.Marshal(header()))(t); string(got) != goodHeader {
		t.Errorf("written as\n%s\nwant\n%s", got, goodHeader)
	}
	h := must(seal.ParseHeader([]byte(goodHeader)))(t)
	if !reflect.DeepEqual(h, header()) || h.Last() != 1700 || h.Type() != "legal_aid_case" {
		t.Errorf("read as %+v, to %d, of %s", h, h.Last(), h.Type())
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.StringMatching(`[a-z][a-z0-9_]{1,47}`).Draw(t, "type")
		h := &seal.Header{
			V: 1, Suite: seal.Suite, Stream: "610800/" + typ + "/" + rapid.SampledFrom([]string{"upstream", "public", "to-610000+610700"}).Draw(t, "audience"),
			Gen: drawPosition(t), Count: rapid.Uint64Range(1, seal.MaxLines).Draw(t, "count"), Root: hashA, Key: sign.Sum([]byte(typ)), Time: noon,
			Schema: fmt.Sprintf("%s@%d#%s", typ, rapid.IntRange(1, 999999999).Draw(t, "version"), sign.Sum([]byte{1})),
		}
		h.First = rapid.Uint64Range(1, 1<<53-h.Count).Draw(t, "first")
		b, err := sign.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := seal.ParseHeader(b); err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("%s is read as %+v, %v", b, got, err)
		}
	})
}

func TestParseHeaderRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		old, new string
		want     error
	}{
		"another version":        {`"v":1`, `"v":2`, seal.ErrSuite},
		"another suite":          {`GCM-1`, `GCM-2`, seal.ErrSuite},
		"lower-case suite":       {`SM2-SM3`, `sm2-sm3`, seal.ErrSuite},
		"no suite":               {`SM2-SM3-SM4GCM-1`, ``, seal.ErrSuite},
		"malformed stream":       {`/upstream`, `/all`, sign.ErrStreamName},
		"unsorted audience":      {`/upstream`, `/to-610700+610000`, sign.ErrStreamName},
		"look-alike origin":      {`"610800/`, `"6108O0/`, sign.ErrStreamName},
		"generation 0":           {`"gen":1764230400`, `"gen":0`, seal.ErrMalformed},
		"first 0":                {`"first":1201`, `"first":0`, seal.ErrMalformed},
		"count 0":                {`"count":500`, `"count":0`, seal.ErrMalformed},
		"count 1001":             {`"count":500`, `"count":1001`, seal.ErrMalformed},
		"last of 2^53":           {`"first":1201`, `"first":9007199254740493`, seal.ErrMalformed},
		"schema of another type": {`"legal_aid_case@`, `"legal_aid@`, seal.ErrMalformed},
		"schema version 0":       {`@1#`, `@0#`, seal.ErrMalformed},
		"schema version 01":      {`@1#`, `@01#`, seal.ErrMalformed},
		"schema without version": {`@1#`, `#`, seal.ErrMalformed},
		"schema without digest":  {`@1#` + hexA, `@1`, seal.ErrMalformed},
		"upper-case digest":      {`@1#66c`, `@1#66C`, seal.ErrMalformed},
		"more after the schema":  {`@1#` + hexA, `@1#` + hexA + ` `, seal.ErrMalformed},
		"not ASCII":              {`"suite":"`, `"suite":"法`, seal.ErrMalformed},
		"more than 4 KiB":        {`GCM-1`, `GCM-1` + strings.Repeat("1", 4<<10), seal.ErrMalformed},
		"first of 2^53":          {`"first":1201`, `"first":9007199254740992`, sign.ErrNotCanonical},
		"negative":               {`"first":1201`, `"first":-1201`, sign.ErrNotCanonical},
		"fraction":               {`"first":1201`, `"first":1201.0`, sign.ErrNotCanonical},
		"exponent":               {`"gen":1764230400`, `"gen":1e3`, sign.ErrNotCanonical},
		"leading zero":           {`"count":500`, `"count":0500`, sign.ErrNotCanonical},
		"number as text":         {`"count":500`, `"count":"500"`, sign.ErrNotCanonical},
		"upper-case STREAM":      {`"stream"`, `"STREAM"`, sign.ErrNotCanonical},
		"STREAM besides":         {`"gen"`, `"STREAM":"610000/b1/upstream","gen"`, sign.ErrNotCanonical},
		"escaped stream":         {`"stream"`, `"\u0073tream"`, sign.ErrNotCanonical},
		"stream twice":           {`"gen"`, `"stream":"610000/b1/upstream","gen"`, sign.ErrNotCanonical},
		"escape in stream":       {`"610800/`, `"\u0036\u0031\u0030\u0038\u0030\u0030\/`, sign.ErrNotCanonical},
		"unknown member":         {`"gen"`, `"crit":[],"gen"`, sign.ErrNotCanonical},
		"without count":          {`,"count":500`, ``, sign.ErrNotCanonical},
		"without prev":           {`"prev":"` + hexA + `",`, ``, sign.ErrNotCanonical},
		"null":                   {`"prev":"` + hexA + `"`, `"prev":null`, sign.ErrNotCanonical},
		"upper-case hex":         {`"prev":"66c`, `"prev":"66C`, sign.ErrNotCanonical},
		"members swapped":        {`"gen":1764230400,"first":1201`, `"first":1201,"gen":1764230400`, sign.ErrNotCanonical},
		"white space":            {`,"gen"`, `, "gen"`, sign.ErrNotCanonical},
		"trailing line feed":     {hexA + `"}`, hexA + "\"}\n", sign.ErrNotCanonical},
		"trailing object":        {hexA + `"}`, hexA + `"}{}`, sign.ErrNotCanonical},
		"time in UTC":            {`+08:00`, `+00:00`, sign.ErrNotCanonical},
		"control character":      {`GCM-1`, "GCM-1\x00", sign.ErrNotCanonical},
		"cut short":              {hexA + `"}`, hexA + `"`, sign.ErrNotCanonical},
	} {
		b := strings.Replace(goodHeader, c.old, c.new, 1)
		if b == goodHeader {
			t.Fatalf("%s: no %s", what, c.old)
		}
		if h, err := seal.ParseHeader([]byte(b)); h != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", what, h, err, c.want)
		}
	}
	// Beyond ASCII, whichever rule is the first to say so.
	for what, b := range map[string]string{
		"ſtream":      strings.Replace(goodHeader, `"stream"`, `"ſtream"`, 1),
		"ſtream too":  strings.Replace(goodHeader, `"gen"`, `"ſtream":"610000/b1/upstream","gen"`, 1),
		"KELVIN SIGN": strings.Replace(goodHeader, `"key"`, `"`+"\u212a"+`ey"`, 1),
		"BOM":         "\uFEFF" + goodHeader,
		"bad UTF-8":   strings.Replace(goodHeader, `GCM-1`, "GCM\xff1", 1),
		"empty":       "",
		"null":        "null",
		"list":        "[" + goodHeader + "]",
	} {
		if h, err := seal.ParseHeader([]byte(b)); h != nil || err == nil {
			t.Errorf("%s: %v, %v", what, h, err)
		}
	}
}

func TestHeaderLimits(t *testing.T) {
	for _, c := range [][2]string{{`"count":500`, `"count":1000`}, {`"count":500`, `"count":1`}, {`"first":1201`, `"first":9007199254740492`}, {hexA + `","root"`, strings.Repeat("0", 64) + `","root"`}} {
		if _, err := seal.ParseHeader([]byte(strings.Replace(goodHeader, c[0], c[1], 1))); err != nil {
			t.Errorf("%s: %v", c[1], err)
		}
	}
}

// Each bit of a header and of its signature counts (must-reject 11, 12).
func TestEveryBitOfHeaderAndSignature(t *testing.T) {
	seg, _ := sealed(t, record(0), record(1))
	if err := seal.VerifyHeader(origin().signCert, seg.Bytes, seg.Sig); err != nil {
		t.Fatal(err)
	}
	flipped(seg.Bytes, func(at int, b []byte) {
		if err := seal.VerifyHeader(origin().signCert, b, seg.Sig); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("bit %d of the header: %v", at, err)
		}
		if _, err := seal.Open(&seg.Header, b, seg.Body, seg.Key); err != seal.ErrCannotOpen {
			t.Errorf("bit %d of the header, opened: %v", at, err)
		}
		if h, err := seal.ParseHeader(b); err == nil {
			if again := must(sign.Marshal(h))(t); string(again) != string(b) {
				t.Errorf("bit %d of the header: %s is read as %s", at, b, again)
			}
		}
	})
	flipped(seg.Sig, func(at int, b []byte) {
		if err := seal.VerifyHeader(origin().signCert, seg.Bytes, b); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("bit %d of the signature: %v", at, err)
		}
	})
	for what, err := range map[string]error{
		"another node's key":      seal.VerifyHeader(reader().signCert, seg.Bytes, seg.Sig),
		"no signature":            seal.VerifyHeader(origin().signCert, seg.Bytes, nil),
		"signature and more":      seal.VerifyHeader(origin().signCert, seg.Bytes, append(seg.Sig[:len(seg.Sig):len(seg.Sig)], 0)),
		"signature as a receipt":  origin().signCert.Verify(keys.ReceiptV1, seg.Bytes, seg.Sig),
		"signature of the digest": seal.VerifyHeader(origin().signCert, seg.Hash[:], seg.Sig),
	} {
		if !errors.Is(err, keys.ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := seal.VerifyHeader(origin().encCert, seg.Bytes, seg.Sig); !errors.Is(err, keys.ErrUsage) {
		t.Errorf("an encryption certificate verifies: %v", err)
	}
}

// flipped calls f with every copy of b that differs in one bit.
func flipped(b []byte, f func(bit int, b []byte)) {
	for i := range 8 * len(b) {
		c := append([]byte(nil), b...)
		c[i/8] ^= 1 << (i % 8)
		f(i, c)
	}
}

// The short way to a header's key gives what parsing gives, and nothing where the bytes end otherwise.
func TestKeyOf(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seg, _ := sealed(t, records(1)...)
		key, ok := seal.KeyOf(seg.Bytes)
		if !ok || key != seg.Header.Key {
			rt.Fatalf("%s, %t; want %s", key, ok, seg.Header.Key)
		}
		cut := rapid.IntRange(0, len(seg.Bytes)-1).Draw(rt, "cut")
		if _, ok := seal.KeyOf(seg.Bytes[:cut]); ok {
			rt.Fatalf("a key was read from %q", seg.Bytes[:cut])
		}
	})
	if _, ok := seal.KeyOf([]byte(`{"v":1,"key":"` + strings.Repeat("z", 64) + `"}`)); ok {
		t.Error("a key that is no hexadecimal was read")
	}
}

// HeaderKey reads what ParseHeader reads, and nothing off what ends otherwise.
func TestHeaderKey(t *testing.T) {
	h := must(seal.ParseHeader([]byte(goodHeader)))(t)
	if key, ok := seal.HeaderKey([]byte(goodHeader)); !ok || key != h.Key {
		t.Errorf("%s, %v", key, ok)
	}
	for _, bad := range []string{"", "}", goodHeader + " ", goodHeader[1:][len(goodHeader)-70:], strings.Replace(goodHeader, `"key":"`, `"kez":"`, 1), goodHeader[:len(goodHeader)-3] + `g"}`} {
		if key, ok := seal.HeaderKey([]byte(bad)); ok {
			t.Errorf("%q: %s", bad, key)
		}
	}
}
