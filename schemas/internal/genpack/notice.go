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
