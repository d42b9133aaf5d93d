package intake

import (
	"errors"

	"fayi/outbox"
	"fayi/schemas"
)

// text is what a person reads about a row that cannot be published.
type text struct{ zh, en, hint string }

// texts explains codes that do not come from a schema.
var texts = map[string]text{
	UnknownType:         {"本节点没有这种记录类型", "unknown record type", "核对 record_type；可用类型见 fayi schema list"},
	NotYours:            {"该来源无权发布这条记录", "this source may not publish this record", "核对来源的类型、操作、主键前缀配置，以及该主键是否属于别的来源"},
	NoRoute:             {"这类记录在本节点没有配置发布去向", "no audience is configured for this record type", "请管理员在 fayi.yaml 的 publish 中配置"},
	KeyMismatch:         {"记录主键与正文中的主键字段不一致", "the record key differs from the key field in the contents", "让 record_key 与正文主键字段的值完全相同"},
	KeyNFC:              {"主键不是 Unicode 规范形式（NFC）", "the key is not in Unicode normalization form C", "以 NFC 形式写主键；不可见的组合字符可能来自复制粘贴"},
	Poison:              {"这条记录使本节点在封装时出错，已单独移出", "this record makes the node fail while sealing and was taken out by itself", "请把本行编号告知运维人员；程序升级后可用 fayi outbox retry -code POISON 重新提交"},
	Brake:               {"短时间内删除或修改过多，已由管理员拒绝", "too much was deleted or changed at once, and a person refused it", "核对业务系统；确属应当发布的，重新提交本行"},
	Internal:            {"检查这条记录时本节点出错", "the node failed while checking this record", "请把本行编号告知运维人员"},
	outbox.CodeOp:       {"操作只能是 put 或 del", "op must be put or del", "核对 op 列"},
	outbox.CodeTooLarge: {"记录超过256 KiB", "the record exceeds 256 KiB", "大内容请作为附件"},
	outbox.CodePayload:  {"put 必须有正文，del 不得有正文", "a put needs a payload, a del must have none", "核对 payload 列"},
	"JSON":              {"正文不是合法的JSON对象", "the payload is not one JSON object", "核对引号、逗号、括号；正文须是一个对象"},
	"UTF8":              {"正文不是合法的UTF-8", "the payload is not valid UTF-8", "检查连接字符集（应为utf8mb4）"},
	"DUPLICATE_MEMBER":  {"同一个对象中字段重复", "a member appears twice in one object", "每个字段只写一次"},
	"NUMBER":            {"数字超出可精确表示的范围", "a number cannot be represented exactly", "编号与金额用字符串；数字不用指数、不超过15位有效数字"},
	"SURROGATE":         {"字符串含有不成对的代理字符", "a string holds a lone surrogate", "检查生成JSON的程序"},
	"NUL":               {"字符串含有U+0000", "a string holds U+0000", "去掉空字符"},
	"DEPTH":             {"嵌套超过32层", "nesting exceeds 32 levels", "减少嵌套"},
	"SPACE":             {"含有多余空白", "insignificant white space", "去掉空白"},
}

// Fault makes a fault of the table; an unknown code explains itself.
func Fault(code, pointer string) schemas.Fault {
	t, ok := texts[code]
	if !ok {
		t = text{zh: code, en: code}
	}
	return schemas.Fault{Code: code, Pointer: pointer, Message: t.zh, MessageEN: t.en, Hint: t.hint}
}

// outboxFault turns a refusal of the outbox package into a fault.
func outboxFault(err error) schemas.Fault {
	var e *outbox.Error
	if errors.As(err, &e) {
		return schemas.Fault{Code: e.Code, Message: e.Message, MessageEN: e.MessageEN, Hint: e.Hint}
	}
	return Fault(Internal, "")
}
