package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxRecord bounds one record. The protocol's line limit (256 KiB) is stricter; this one only keeps the validator safe on its own.
const maxRecord = 1 << 20

// decode reads one JSON object. It refuses what the judgement below could not survive or would misread: depth beyond 32, numbers not
// written plainly (protocol §2). Duplicate members are the business of the strict reader before it.
func decode(data []byte) (map[string]any, *Fault) {
	if len(data) > maxRecord {
		return nil, jsonFault("", fmt.Sprintf("记录过大（%d 字节），最多 %d 字节", len(data), maxRecord), fmt.Sprintf("record has %d bytes, at most %d are read", len(data), maxRecord), "大文本请改为附件")
	}
	if !utf8.Valid(data) {
		at := invalidUTF8(data)
		return nil, jsonFault("", fmt.Sprintf("第 %d 字节起不是 UTF-8 编码，可能是 GBK", at+1), fmt.Sprintf("not UTF-8 from byte %d on, perhaps GBK", at+1), "请按 UTF-8 编码导出后重新提交")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, syntaxFault(data, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, jsonFault("", "一条记录只能是一个JSON对象，后面还有多余内容", "a record is one JSON object; more follows it", "请删去多余内容，或分成多条记录")
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, jsonFault("", "记录应为JSON对象，即用花括号括起的字段", "a record must be a JSON object", "请按字段名和值组成对象")
	}
	if f := unsafe(obj, "", 1); f != nil {
		return nil, f
	}
	return obj, nil
}

func jsonFault(ptr, zh, en, hint string) *Fault {
	return &Fault{Code: CodeJSON, Pointer: ptr, Message: zh, MessageEN: en, Hint: hint}
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(data)
}

func syntaxFault(data []byte, err error) *Fault {
	const hint = "请检查引号、逗号和括号是否成对，不要手工拼接JSON"
	var syn *json.SyntaxError
	if !errors.As(err, &syn) {
		return jsonFault("", "JSON不完整，内容在结束前中断", "JSON ends in the middle", hint)
	}
	at := min(int(syn.Offset), len(data))
	line := bytes.Count(data[:at], []byte{'\n'}) + 1
	col := utf8.RuneCount(data[bytes.LastIndexByte(data[:at], '\n')+1 : at])
	return jsonFault("", fmt.Sprintf("第 %d 行第 %d 个字符处不符合JSON语法", line, col), fmt.Sprintf("JSON syntax is broken at line %d, character %d", line, col), hint)
}

// unsafe looks for depth and numbers that the protocol refuses; order of members does not matter, one fault is enough.
func unsafe(v any, ptr string, depth int) *Fault {
	if depth > maxDepth {
		return jsonFault(ptr, fmt.Sprintf("嵌套超过 %d 层", maxDepth), fmt.Sprintf("nested deeper than %d", maxDepth), "请减少嵌套层次")
	}
	var first *Fault
	keep := func(f *Fault) {
		if f != nil && (first == nil || f.Pointer < first.Pointer) {
			first = f
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, e := range v {
			if _, isText := e.(string); !isText {
				keep(unsafe(e, ptr+pointer(name), depth+1))
			}
		}
	case []any:
		for i, e := range v {
			keep(unsafe(e, ptr+"/"+strconv.Itoa(i), depth+1))
		}
	case json.Number:
		if !plainNumber.MatchString(v.String()) {
			keep(jsonFault(ptr, "数字应直接写出，不用科学计数法，最多16位", "a number must be written plainly, without exponent, at most 16 digits", "证件号、金额等请写成文本并加引号"))
		}
	}
	return first
}
