package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fayi/cmd/fayi/internal/records"
	"fayi/gateway/intake"
	"fayi/schemas"
)

// A record of a file is judged here as the node will judge its row: byte rules
// of protocol §2, then the type, then the key. The node judges again; this is
// so that a clerk hears of faults at once.

// judge returns the faults of one record's contents, none if it may be published.
func judge(t *schemas.Type, data []byte) schemas.Faults {
	_, _, faults := intake.Contents(t, data)
	return faults
}

// corrected tells what intake would change in a record that it takes only so.
func corrected(t *schemas.Type, data []byte) (told schemas.Faults) {
	_, x, _ := intake.Contents(t, data)
	var changed intake.Changed
	if x == nil || json.Unmarshal(x, &changed) != nil {
		return nil
	}
	as := t.Validate(data) // names and values as they may be shown
	for _, c := range changed.Normalised {
		f := schemas.Fault{Code: "NORMALISED", Pointer: c.At}
		if i := slices.IndexFunc(as, func(f schemas.Fault) bool { return f.Pointer == c.At }); i >= 0 {
			f.Title, f.Value = as[i].Title, as[i].Value
		}
		var zh []string
		for _, step := range c.By {
			zh = append(zh, stepZH[step])
		}
		f.Message = "「" + f.Title + "」将按数据规范改写后发布：" + strings.Join(zh, "、")
		f.MessageEN = "the value at " + c.At + " will be changed as the schema declares: " + strings.Join(c.By, ", ")
		f.Hint = "最好在业务系统中改正"
		told = append(told, f)
	}
	return told
}

// remarks tells what is odd in a record that may be published: what intake would
// change, rules that are only expected, texts that are not what they seem.
func remarks(t *schemas.Type, data []byte, where schemas.Where) schemas.Faults {
	return append(corrected(t, data), t.Remarks(data, where)...)
}

// territoryOf is the territory of a node whose id is a division's code, as is
// customary; of any other it is not known here.
func territoryOf(node string) []string {
	if len(node) != 6 || strings.Trim(node, "0123456789") != "" {
		return nil
	}
	return []string{node}
}

var stepZH = map[string]string{"half-width": "全角改半角", "trim": "去掉首尾空白", "upper": "小写改大写", "absent": "占位文字当作没有填写"}

// judgeKey returns the faults of a record key.
func judgeKey(key string) schemas.Faults { return intake.Key([]byte(key)) }

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
func (b *badRecord) show(e *env) { b.list(e, "") }

// list is show with a word before each message.
func (b *badRecord) list(e *env, word string) {
	for _, f := range b.Faults {
		var line bytes.Buffer
		fmt.Fprintf(&line, "%s:%d: ", b.File, b.Row)
		if f.Pointer != "" {
			line.WriteString(f.Pointer + " ")
		}
		line.WriteString(word + e.text(f.Message+"（"+f.Code+"）", f.MessageEN+" ("+f.Code+")"))
		fmt.Fprintln(e.stdout, line.String())
		if f.Hint != "" && !e.english {
			fmt.Fprintf(e.stdout, "  建议：%s\n", f.Hint)
		}
	}
}
