package main

// ownEntities are record types that the field tables lack. Every field is marked [INFER].
var ownEntities = []entity{
	{
		ID: "notice", ZH: "公告", Key: "noticeNo", Note: "19号文 四: 司法考试公告, 法律法规查询, 信用信息公开; no source has a field table",
		Fields: []field{
			inferred("noticeNo", "公告编号", "c..36", "M", ""),
			inferred("title", "标题", "c1..200", "M", ""),
			inferred("category", "类别", "n2", "M", "notice_category"),
			inferred("content", "正文", "c1..8000", "M", ""),
			inferred("publisher", "发布单位", "c..200", "M", ""),
			inferred("divisionCode", "适用区划", "c..12", "O", "division"),
			inferred("publishDate", "发布日期", "d", "M", ""),
			inferred("validFrom", "有效期起", "d", "O", ""),
			inferred("validTo", "有效期止", "d", "O", ""),
			inferred("sourceUrl", "原文地址", "c..300", "O", ""),
		},
	},
	{
		ID: "handoff_event", ZH: "工单转办事件", Key: "eventKey", Note: "one act in the life of a hand-off between hotlines, and the state and owner after it; no personal data; the body it names by hash stays at the node",
		Fields: []field{
			inferred("eventKey", "事件标识", "c..80", "M", ""),
			inferred("handoffId", "转办编号", "c..40", "M", ""),
			inferred("number", "事件序号", "c..8", "M", ""),
			inferred("round", "轮次", "c..4", "M", ""),
			inferred("verb", "动作", "c..32", "M", ""),
			inferred("fromState", "原状态", "c..24", "M", ""),
			inferred("toState", "新状态", "c..24", "M", ""),
			inferred("owner", "责任方", "c..64", "M", ""),
			inferred("originParty", "转出方", "c..64", "M", ""),
			inferred("targetParty", "承接方", "c..64", "M", ""),
			inferred("direction", "方向", "c..3", "M", ""),
			inferred("peerTicketNo", "对方工单号", "c..96", "O", ""),
			inferred("authorParty", "行为方", "c..64", "M", ""),
			inferred("authorRole", "行为角色", "c1", "M", ""),
			inferred("occurredAt", "发生时间", "dt", "M", ""),
			inferred("recordedAt", "记录时间", "dt", "M", ""),
			inferred("inferred", "是否推定", "b", "M", ""),
			inferred("late", "是否迟到", "b", "M", ""),
			inferred("refused", "未执行原因", "c..32", "O", ""),
			inferred("clockRule", "时限规则", "c..32", "O", ""),
			inferred("due", "期限", "dt", "O", ""),
			inferred("prevHash", "前一事件哈希", "c64", "M", ""),
			inferred("hash", "事件哈希", "c64", "M", ""),
		},
	},
}

// inferred is a field that no source has. rule is a code table or a format.
func inferred(name, zh, notation, required, rule string) field {
	f := field{Name: name, ZH: zh, Type: notation, Required: required, Rule: rule, Mark: "INFER", Source: "I", LengthMark: "INFER", RequiredMark: "INFER"}
	if _, ok := inlineTables[rule]; ok {
		f.Codes = []string{rule}
	}
	if notation == "d" {
		f.LengthMark = "-"
	}
	return f
}
