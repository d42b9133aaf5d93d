package sfxml

import "fmt"

// Codes of faults. They are stable.
const (
	CodeSyntax      = "XML_SYNTAX"      // not well-formed
	CodeTruncated   = "XML_TRUNCATED"   // ends in the middle
	CodeTooLarge    = "XML_TOO_LARGE"   // a record larger than is read
	CodeEncoding    = "XML_ENCODING"    // not in the encoding it is read in, or declares another
	CodeDoctype     = "XML_DOCTYPE"     // a document type declaration
	CodeEntity      = "XML_ENTITY"      // an entity other than the five
	CodeInstruction = "XML_INSTRUCTION" // a processing instruction
	CodeDepth       = "XML_DEPTH"       // nested too deep
	CodeNamespace   = "XML_NAMESPACE"   // an element of, or a prefix for, another namespace
	CodeType        = "XML_TYPE"        // a record type that is not known, or another than the namespace names
	CodeElement     = "XML_ELEMENT"     // an element the type does not have
	CodeDuplicate   = "XML_DUPLICATE"   // an element twice where one may stand
	CodeMisplaced   = "XML_MISPLACED"   // an element where another or none must stand
	CodeMissing     = "XML_MISSING"     // an element that must be there is not
	CodeAttribute   = "XML_ATTRIBUTE"   // an attribute that is not allowed, or does not say what its element says
	CodeText        = "XML_TEXT"        // text between elements
	CodeComment     = "XML_COMMENT"     // a comment inside a value
	CodeValue       = "XML_VALUE"       // a value of a head that is not one
)

// Fault is one defect of a message, written for people.
type Fault struct {
	Code         string // one of the codes above
	Line, Column int    // where the token begins, from 1; columns count characters
	Message      string // in Chinese, without the place
	MessageEN    string // in English
	fatal        bool   // what follows cannot be read
}

// Text is the sentence in Chinese with the place before it.
func (f *Fault) Text() string {
	return fmt.Sprintf("第 %d 行第 %d 个字符：%s", f.Line, f.Column, f.Message)
}

// TextEN is the sentence in English with the place before it.
func (f *Fault) TextEN() string { return fmt.Sprintf("%d:%d: %s", f.Line, f.Column, f.MessageEN) }

func (f *Fault) Error() string { return f.Code + " at " + f.TextEN() }

// words of the faults that need no further detail.
var words = map[string][2]string{
	CodeTruncated:   {"文件在报文结束之前中断", "the message ends in the middle"},
	CodeDoctype:     {"不接受 DOCTYPE 声明", "document type declarations are refused"},
	CodeInstruction: {"不接受处理指令；XML 声明只能在开头，且版本为 1.0", "processing instructions are refused; the XML declaration stands first and says version 1.0"},
	CodeComment:     {"值中间不能有注释", "a comment stands inside a value"},
	CodeText:        {"元素之间不能有文字", "text stands between elements"},
	CodeDepth:       {fmt.Sprintf("元素嵌套超过 %d 层", maxDepth), fmt.Sprintf("elements nested deeper than %d", maxDepth)},
	CodeTooLarge:    {fmt.Sprintf("一条记录的 XML 超过 %d 字节", maxRecordXML), fmt.Sprintf("the XML of one record exceeds %d bytes", maxRecordXML)},
}

// clip shortens a name from outside before it is repeated.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
