package problem

import (
	"errors"
	"fmt"
	"time"
)

// OK is the code of an answer that did what was asked.
const OK = "000000"

// Error is an error with a stable code. Detail is a short technical addition
// that names no person and no secret; Err is for the log only; RetryAfter, if
// not zero, is how long to wait before asking again.
type Error struct {
	Code       string
	Detail     string
	Err        error
	RetryAfter time.Duration
}

// New returns an error with a code of the table.
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with a code that keeps err for the log.
func Wrap(code string, err error) *Error { return &Error{Code: code, Err: err} }

func (e *Error) Error() string {
	s := e.Code
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Code returns the code of err: OK for nil, INTERNAL for an error without one.
func Code(err error) string {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// RetryAfter returns how long err asks to wait, zero if it does not say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// Text is what a person reads about a code.
type Text struct{ Zh, En, Hint string }

// Describe returns the table's text for a code; an unknown code is described
// as itself.
func Describe(code string) Text {
	if t, ok := table[code]; ok {
		return t
	}
	return Text{Zh: code, En: code}
}

// Document is an error as the local API and -json output show it.
type Document struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	MessageEN string `json:"message_en"`
	Hint      string `json:"hint,omitempty"`
	Detail    string `json:"detail,omitempty"`
	Faults    any    `json:"faults,omitempty"` // of a refused record, all at once
}

// Documented turns err into what may be shown.
func Documented(err error) Document {
	code := Code(err)
	t := Describe(code)
	d := Document{Code: code, Message: t.Zh, MessageEN: t.En, Hint: t.Hint}
	var e *Error
	if errors.As(err, &e) {
		d.Detail = e.Detail
	}
	return d
}
