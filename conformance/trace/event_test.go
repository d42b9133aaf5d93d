package trace_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"fayi/conformance/trace"
)

const sealed = `{"at":"2026-11-22T10:00:00+08:00","mono":5,"node":"610800","pid":7,"ev":"seal","stream":"610800/consultation/upstream",` +
	`"gen":100,"first":1,"count":2,"hash":"` + hex64 + `","prev":"` + zero64 + `","refs":["main:1:5","main:2:6"],"keys":["0011223344556677"],"later":{"x":[1]}}`

const (
	hex64  = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	zero64 = "0000000000000000000000000000000000000000000000000000000000000000"
)

func TestRead(t *testing.T) {
	t.Parallel()
	torn := sealed + "\n" + `{"node":"610800","ev":"start","pid":8}` + "\n" + sealed[:100]
	events, err := trace.Read(iotest.OneByteReader(strings.NewReader(torn)))
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	e := events[0]
	if e.Node != "610800" || e.PID != 7 || e.Kind != trace.Seal || e.Gen != 100 || e.First != 1 || e.Count != 2 || e.Mono != 5 ||
		e.Hash.String() != hex64 || !e.Prev.IsZero() || len(e.Refs) != 2 || len(e.Keys) != 1 || e.At.IsZero() {
		t.Errorf("%+v", e)
	}
	if _, err := trace.Read(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{
		"text":               `hello`,
		"array":              `[1]`,
		"torn in the middle": sealed[:100],
		"two objects":        `{"node":"a","ev":"b"}{"node":"a","ev":"b"}`,
		"member twice":       `{"node":"a","ev":"b","node":"c"}`,
		"another case":       `{"Node":"a","ev":"b"}`, // unknown, so there is no node
		"wrong type":         `{"node":"a","ev":"b","gen":"1"}`,
		"negative":           `{"node":"a","ev":"b","gen":-1}`,
		"short hash":         `{"node":"a","ev":"b","hash":"00"}`,
		"no kind":            `{"node":"a"}`,
		"send without hash":  `{"node":"a","ev":"send","stream":"s","first":1,"count":1}`,
		"deliver nowhere":    `{"node":"a","ev":"deliver"}`,
		"numbers run over":   `{"node":"a","ev":"deliver","stream":"s","first":18446744073709551615,"count":2}`,
		"endless":            `{"node":"` + strings.Repeat("a", 1<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := trace.Read(strings.NewReader(sealed + "\n" + line + "\n"))
			if !errors.Is(err, trace.ErrTrace) || len(events) != 1 || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("%d events, %v", len(events), err)
			}
		})
	}
}

// Whatever stands in a file, reading it and judging it neither panics nor hangs.
func FuzzRead(f *testing.F) {
	f.Add(sealed + "\n")
	f.Add(strings.ReplaceAll(sealed, `"seal"`, `"send"`) + "\n" + strings.ReplaceAll(sealed, `"seal"`, `"deliver"`) + "\n")
	f.Add(`{"node":"a","ev":"take","refs":["main:1:2"],"outcome":"rejected X"}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := trace.Read(strings.NewReader(text))
		if err == nil {
			trace.Check(trace.Input{Events: events})
		}
	})
}
