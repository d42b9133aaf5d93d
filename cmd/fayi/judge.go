package main

import (
	"bytes"
	"errors"
	"fmt"

	"fayi/cmd/fayi/internal/records"
	"fayi/crypto/seal"
	"fayi/outbox"
	"fayi/schemas"

	"golang.org/x/text/unicode/norm"
)

// A record of a file is judged here as the node will judge its row: byte rules
// of protocol §2, then the type, then the key. The node judges again; this is
// so that a clerk hears of faults at once.

// byteFaults words the byte rules that are not the validator's.
var byteFaults = map[string][3]string{
	"DUPLICATE_MEMBER": {"同一个对象中字段重复", "a member appears twice in one object", "每个字段只写一次"},
	"NUMBER":           {"数字不能精确表示", "a number cannot be represented exactly", "编号与金额写成文本并加引号；数字不用指数、不超过 15 位有效数字"},
	"SURROGATE":        {"文本含有不成对的代理字符", "a text holds a lone surrogate", "检查生成 JSON 的程序"},
	"NUL":              {"文本含有空字符 U+0000", "a text holds U+0000", "去掉空字符"},
	"DEPTH":            {"嵌套超过 32 层", "nested deeper than 32", "减少嵌套层次"},
}

// lineOverhead is more than what a line adds to the key and the data.
const lineOverhead = 1024

// judge returns the faults of one record's contents, none if it may be published.
func judge(t *schemas.Type, data []byte) schemas.Faults {
	compact, err := seal.CompactData(make([]byte, 0, len(data)), data)
	var de *seal.DataError
	if errors.As(err, &de) {
		if w, ok := byteFaults[de.Code]; ok {
			return schemas.Faults{{Code: de.Code, Pointer: de.Pointer, Message: w[0], MessageEN: w[1], Hint: w[2]}}
		}
		if faults := t.Validate(data); len(faults) > 0 { // the validator says where JSON is broken
			return faults
		}
		return schemas.Faults{{Code: de.Code, Pointer: de.Pointer, Message: "不是一个 JSON 对象", MessageEN: "not one JSON object"}}
	}
	faults := t.Validate(compact)
	if len(faults) == 0 && len(compact)+lineOverhead > seal.MaxLine {
		faults = schemas.Faults{{Code: outbox.CodeTooLarge, Message: fmt.Sprintf("记录有 %d 字节，连同封装不得超过 %d 字节", len(compact), seal.MaxLine),
			MessageEN: fmt.Sprintf("the record has %d bytes; with its envelope %d are allowed", len(compact), seal.MaxLine), Hint: "大内容请作为附件发布"}}
	}
	return faults
}

// judgeKey returns the faults of a record key.
func judgeKey(key string) schemas.Faults {
	err := outbox.CheckKey([]byte(key))
	var oe *outbox.Error
	if errors.As(err, &oe) {
		return schemas.Faults{{Code: oe.Code, Message: oe.Message, MessageEN: oe.MessageEN, Hint: oe.Hint}}
	}
	if !norm.NFC.IsNormalString(key) {
		return schemas.Faults{{Code: "KEY_NOT_NFC", Message: "主键不是 Unicode 规范形式（NFC）", MessageEN: "the key is not in Unicode normalization form C", Hint: "不可见的组合字符可能来自复制粘贴，请重新输入"}}
	}
	return nil
}

// unreadable turns a record that could not be read into a fault.
func unreadable(err *records.Error) schemas.Faults {
	return schemas.Faults{{Code: err.Code, Message: err.Message, MessageEN: err.MessageEN}}
}

// readable turns an error about a whole file into one with words.
func readable(file string, err error) error {
	var re *records.Error
	if errors.As(err, &re) {
		return &said{code: re.Code, zh: file + "：" + re.Message, en: file + ": " + re.MessageEN,
			hintZH: "改正文件后重试", hintEN: "correct the file and try again"}
	}
	return err
}

// badRecord is a record with faults, as -json shows it.
type badRecord struct {
	File   string         `json:"file"`
	Row    int            `json:"row"`
	Key    string         `json:"key,omitempty"`
	Faults schemas.Faults `json:"faults"`
}

// show prints the faults of one record, one a line: file:row: pointer title message.
func (b *badRecord) show(e *env) {
	for _, f := range b.Faults {
		var line bytes.Buffer
		fmt.Fprintf(&line, "%s:%d: ", b.File, b.Row)
		if f.Pointer != "" {
			line.WriteString(f.Pointer + " ")
		}
		line.WriteString(e.text(f.Message+"（"+f.Code+"）", f.MessageEN+" ("+f.Code+")"))
		fmt.Fprintln(e.stdout, line.String())
		if f.Hint != "" && !e.english {
			fmt.Fprintf(e.stdout, "  建议：%s\n", f.Hint)
		}
	}
}
