package outbox

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzObject holds isObject to what encoding/json says.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : 1 } `, `{"a":[1,-0,0.5,1e9,-1.25E-3,"x",true,false,null,{}],"b":{"c":[]}}`, `{"a":"\u00e9\"\\\/\b\f\n\r\t"}`, `{"名":"值"}`,
		``, `[]`, `"x"`, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":01}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":.5}`, `{"a":+1}`, `{a:1}`, `{"a":1}{}`,
		`{"a":tru}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"` + "\n" + `"}`, `{"a":"` + "\xff" + `"}`, `{"a":[1,]}`, `{"a":[1}`, "{\"a\":1}\x00", "\ufeff{}",
		strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if bytes.Count(p, []byte("[")) > maxDepth || bytes.Count(p, []byte("{")) > maxDepth {
			return
		}
		want := bytes.HasPrefix(bytes.TrimLeft(p, " \t\r\n"), []byte("{")) && utf8.Valid(p) && json.Valid(p)
		if got := isObject(p); got != want {
			t.Fatalf("%q: %t, encoding/json says %t", p, got, want)
		}
	})
}

func TestDeepObjectIsRefused(t *testing.T) {
	deep := []byte(strings.Repeat(`{"a":`, 1<<20) + "1" + strings.Repeat("}", 1<<20))
	if isObject(deep) {
		t.Error("a million levels were taken")
	}
}
