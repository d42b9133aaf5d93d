package diff

// why is the reason a class is given.
type why struct{ zh, en string }

var (
	whyWords   = why{"只是文字，记录是否合格与此无关", "words only; no verdict depends on them"}
	whyMore    = why{"只增加可写的内容，原来合格的记录仍然合格", "it only adds what may be written; what was accepted still is"}
	whyWeak    = why{"原来合格的记录仍然合格，但接收方可能依赖原来的规则（如列宽、非空）", "what was accepted still is, but readers may rely on the old rule, such as the width of a column"}
	whyLess    = why{"原来合格的记录可能不再合格", "what was accepted may be refused"}
	whyUnknown = why{"不能证明原来合格的记录仍然合格，按收紧处理", "it cannot be shown that what was accepted still is, so it counts as stricter"}
	whyGone    = why{"已有的记录和程序仍在使用", "records and programs use it"}
	whyOther   = why{"同一名称指的不再是同一内容，已有的记录和程序不能照旧使用", "the same name means something else; records and programs cannot go on as before"}
	whyTravel  = why{"记录的去向或传送方式随之改变，应由人决定", "records would travel another way; a person decides that"}
	whyOrder   = why{"两版同时有效时，节点仍会采用旧版", "where both are in force nodes go on using the old one"}
	whyDays    = why{"新旧版本并存，生效之日起采用新版", "versions live side by side; the new one is used from that day on"}
	whyCount   = why{"只影响完整率和引用检查，不影响记录是否合格", "it changes figures of completeness and references, never a verdict"}
	whyHint    = why{"只影响提示，不影响记录是否合格", "it changes what is pointed out, never a verdict"}
	whyCorrect = why{"源节点入库时改写的内容随之改变，接收方应知道", "what origins change at intake is another; readers should know"}
	whyShield  = why{"敏感级别提高，记录是否合格与此无关", "the field is protected better; no verdict depends on it"}
	whyExpose  = why{"敏感级别降低，原来遮蔽的内容可能显示出来", "the field is protected less; what was masked may be shown"}
)

// bound is a keyword that limits a number.
type bound struct {
	zh, en string
	upper  bool // a larger number accepts more
}

var bounds = map[string]bound{
	"minLength":     {"最少字数", "the smallest number of characters", false},
	"maxLength":     {"最多字数", "the largest number of characters", true},
	"minimum":       {"最小值", "the smallest value", false},
	"maximum":       {"最大值", "the largest value", true},
	"minItems":      {"最少项数", "the smallest number of elements", false},
	"maxItems":      {"最多项数", "the largest number of elements", true},
	"minProperties": {"最少字段数", "the smallest number of members", false},
	"maxProperties": {"最多字段数", "the largest number of members", true},
}

// annotations are the members of a schema that no verdict depends on; those that are wording and no more are true.
var annotations = map[string]bool{
	"title": true, "description": true, "x-en": true, "x-note": true, "x-source": true, "x-mark": true, "x-length-mark": true, "x-required-mark": true,
	"x-required": true, "x-rule": true, "x-type": true, "x-when": true, "x-when-en": true, "x-message": true, "x-message-en": true,
	"$schema": false, "$id": false, "$defs": false, "x-key": false, "x-expected": false, "x-sensitivity": false, "x-ref": false, "x-normalise": false,
}
