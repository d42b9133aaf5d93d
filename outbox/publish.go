package outbox

import (
	"bytes"
	"context"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Op says what a row does to its record.
type Op string

// The operations (design §5).
const (
	Put Op = "put" // the payload is the record's whole current state
	Del Op = "del" // the record is no more
)

const (
	// MaxKey is the longest key in bytes (design §5).
	MaxKey = 128
	// MaxPayload is the longest payload in bytes that [Publish] takes: what MEDIUMTEXT holds, less room for the rest of the statement.
	// A record whose sealed line passes 256 KiB (protocol §2) is rejected later by the node: use an attachment.
	MaxPayload = 16<<20 - 64<<10
)

// Record is one change to publish.
type Record struct {
	Type    string // record type, [a-z][a-z0-9_]{1,47}, as in the pack
	Key     string // the record's key, see [CheckKey]
	Op      Op     // empty means Put, as in the table
	Payload []byte // Put: one JSON object, the whole record; Del: nil
	Resend  bool   // publish even if nothing changed
}

// Publish inserts the record into exchange_outbox within the caller's transaction: it is exchanged if and only if tx commits (P1, design §2).
// It is nothing but the INSERT any other client would do, after checking the shape of r; an [*Error] means that the database was not touched.
// Whether the record fits its schema, whether this source may publish it and whether the key is in Unicode form NFC is the node's to judge
// (design §5): what it refuses appears in exchange_rejected.
//
// For the order of two changes of one key, lock one agreed row of that key before reading what is published (design §5).
func Publish(ctx context.Context, tx Execer, r Record) error {
	return PublishTo(ctx, tx, Table, r)
}

// PublishTo is [Publish] for a source with a table of its own.
func PublishTo(ctx context.Context, tx Execer, table string, r Record) error {
	if !isName(table, 1, 48) {
		return fmt.Errorf("outbox: table name %q is not of the form [a-z][a-z0-9_]{0,47}", table)
	}
	if r.Op == "" {
		r.Op = Put
	}
	if err := r.check(); err != nil {
		return err
	}
	// Strings, not bytes: SQLite would store a BLOB where other clients store TEXT.
	var payload, flags any
	if r.Op == Put {
		payload = string(r.Payload)
	}
	if r.Resend {
		flags = flagResend
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO "+table+" (record_type, record_key, op, payload, flags) VALUES (?, ?, ?, ?, ?)",
		r.Type, r.Key, string(r.Op), payload, flags)
	if err != nil {
		return fmt.Errorf("outbox: publish: %w", err)
	}
	return nil
}

// isName reports whether s is [a-z][a-z0-9_]* of that many letters.
func isName(s string, least, most int) bool {
	if len(s) < least || len(s) > most || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

func (r Record) check() error {
	if err := checkType(r.Type); err != nil {
		return err
	}
	if err := CheckKey([]byte(r.Key)); err != nil {
		return err
	}
	switch r.Op {
	case Put:
		return checkPayload(r.Payload)
	case Del:
		if r.Payload != nil {
			return &Error{Code: CodePayload, Message: "删除操作不能带内容", MessageEN: "del takes no payload", Hint: "op 为 del 时 payload 留空（NULL）"}
		}
		return nil
	}
	return &Error{Code: CodeOp, Message: "操作只能是 put 或 del", MessageEN: "op is neither put nor del", Hint: "新增和修改都用 put，删除用 del"}
}

func checkType(t string) error {
	if isName(t, 2, 48) {
		return nil
	}
	return &Error{Code: CodeType, Message: "记录类型名不合规", MessageEN: "record type is not of the form [a-z][a-z0-9_]{1,47}",
		Hint: "用 fayi schema list 查看可用的记录类型"}
}

// CheckKey checks the shape of a record key: 1 to 128 bytes of UTF-8, no control characters, no space (of any script) at either end.
// The node applies the same rules and one more, Unicode form NFC, which the standard library cannot judge. Its error is an [*Error] with code BAD_KEY.
func CheckKey(key []byte) error {
	bad := func(zh, en, hint string) error {
		return &Error{Code: CodeKey, Message: zh, MessageEN: en, Hint: hint}
	}
	if len(key) == 0 {
		return bad("记录主键为空", "record key is empty", "主键用业务编号，如 YL-2026-00017")
	}
	if len(key) > MaxKey {
		return bad(fmt.Sprintf("记录主键有 %d 字节，最多 %d 字节", len(key), MaxKey),
			fmt.Sprintf("record key has %d bytes, limit %d", len(key), MaxKey), "一个汉字占 3 字节；主键用业务编号，不用标题")
	}
	if !utf8.Valid(key) {
		return bad("记录主键不是有效的 UTF-8", "record key is not valid UTF-8", "检查数据库连接的字符集")
	}
	if bytes.ContainsFunc(key, unicode.IsControl) {
		return bad("记录主键含有控制字符", "record key has a control character", "去掉换行、制表符等不可见字符")
	}
	first, _ := utf8.DecodeRune(key)
	last, _ := utf8.DecodeLastRune(key)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return bad("记录主键首尾有空格", "record key begins or ends with a space", "去掉首尾空格（含全角空格）")
	}
	return nil
}

func checkPayload(p []byte) error {
	if len(p) > MaxPayload {
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("内容有 %d 字节，最多 %d 字节", len(p), MaxPayload),
			MessageEN: fmt.Sprintf("payload has %d bytes, limit %d", len(p), MaxPayload), Hint: "文件、图片请作为附件发布"}
	}
	if !isObject(p) {
		return &Error{Code: CodePayload, Message: "内容不是一个 JSON 对象", MessageEN: "payload is not one JSON object in UTF-8",
			Hint: "payload 放整条记录的 JSON，以 { 开头，UTF-8 编码"}
	}
	return nil
}
