package outbox

import "errors"

// Codes of [Error]. They are part of the contract and never change their meaning.
const (
	CodeType       = "BAD_TYPE"
	CodeKey        = "BAD_KEY"
	CodeOp         = "BAD_OP"
	CodePayload    = "BAD_PAYLOAD"
	CodeTooLarge   = "TOO_LARGE"
	CodeNotFound   = "NOT_FOUND"
	CodeNotOpen    = "NOT_OPEN"
	CodeSuperseded = "SUPERSEDED"
	CodeAccount    = "BAD_ACCOUNT"
)

// Error is a refusal a person can act on. It never contains a key or a payload, so it may be logged and shown.
type Error struct {
	Code      string // stable, for programs
	Message   string // one Chinese sentence
	MessageEN string // the same in English
	Hint      string // what to do, in Chinese; may be empty
}

// Error gives the code and the English sentence.
func (e *Error) Error() string { return "outbox: " + e.Code + ": " + e.MessageEN }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, outbox.ErrSuperseded) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// ErrTaken says that not exactly the given rows could be removed: another node process has taken some of them.
// The transaction must be rolled back and the rows read again.
var ErrTaken = errors.New("outbox: rows were taken by another reader")

// Refusals of repair. ErrSuperseded is returned after the row was marked so: commit the transaction, do not roll it back.
var (
	ErrNotFound = &Error{Code: CodeNotFound, Message: "没有这条被拒记录", MessageEN: "no such rejected record",
		Hint: "用 fayi outbox rejected 查看现有的被拒记录"}
	ErrNotOpen = &Error{Code: CodeNotOpen, Message: "这条被拒记录已经处理过", MessageEN: "the rejected record is no longer open",
		Hint: "只有状态为 open 的记录可以重新提交或关闭"}
	ErrSuperseded = &Error{Code: CodeSuperseded, Message: "该记录已有更新的版本，旧版本不再提交", MessageEN: "a later version of the record exists, the old one is closed",
		Hint: "如仍需修改，请在业务系统中改好最新的记录，系统会自动重新发布"}
)
