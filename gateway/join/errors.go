package join

import (
	"fmt"

	"fayi/gateway/problem"
)

// Codes of [Error].
const (
	CodeFile        = "BAD_FILE"            // not a file of this kind, or damaged
	CodePlace       = "BAD_PLACE"           // node id, name, role or address cannot be used
	CodeNotInvited  = "NOT_INVITED"         // no open invitation with this code for this node
	CodeUsed        = "INVITE_USED"         // the invitation has served
	CodeOtherAnchor = "OTHER_ANCHOR"        // the file belongs to another federation
	CodeOtherNode   = "OTHER_NODE"          // the file is for another node
	CodeKeys        = "KEY_MISMATCH"        // certificates and keys do not belong together
	CodeJoin        = problem.JoinCode      // the typed code is wrong
	CodeTerritory   = problem.Territory     // outside what the parent may name
	CodeMember      = problem.AlreadyExists // the node is in the directory already
	CodeEntry       = problem.BadEntry      // a directory entry is not valid
	CodeUnknown     = problem.KeyUnknown    // this node's own entry is missing
)

// Error is a refusal a person can act on. It holds no secret.
type Error struct {
	Code      string // stable, for programs
	Message   string // one Chinese sentence
	MessageEN string // the same in English
	Hint      string // what to do, in Chinese
	HintEN    string // the same in English
	Err       error  // the cause, for logs; may be nil
}

// Error gives the code and the English sentence.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("join: %s: %s: %v", e.Code, e.MessageEN, e.Err)
	}
	return "join: " + e.Code + ": " + e.MessageEN
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// because returns a copy of e with its cause.
func (e *Error) because(err error) *Error {
	c := *e
	c.Err = err
	return &c
}

func badPlace(zh, en string) *Error {
	return &Error{Code: CodePlace, Message: zh, MessageEN: en, Hint: "改正后重试", HintEN: "correct it and try again"}
}

// Refusals, for errors.Is; what is returned may say more.
var (
	ErrFile = &Error{Code: CodeFile, Message: "入网文件无法读取，可能已损坏或种类不对", MessageEN: "not a join file of this kind, or damaged",
		Hint: "请对方重新发送原文件，不要用文字处理软件打开另存", HintEN: "ask for the original file again; do not edit it"}
	ErrNotInvited = &Error{Code: CodeNotInvited, Message: "没有与该申请对应的有效邀请", MessageEN: "no open invitation for this request",
		Hint: "核对是否使用了最新的邀请文件；必要时用 fayi peer invite 重新邀请", HintEN: "check that the newest invitation was used, or invite again with fayi peer invite"}
	ErrUsed = &Error{Code: CodeUsed, Message: "该邀请已经用过，一份邀请只能入网一次", MessageEN: "the invitation has been used; it serves once",
		Hint: "审批文件可从首次审批处取得；换机重装请重新邀请", HintEN: "take the approval file of the first time, or invite again"}
	ErrOtherAnchor = &Error{Code: CodeOtherAnchor, Message: "文件来自另一个联邦，信任起点与邀请不一致", MessageEN: "the file belongs to another federation: its anchor is not the invitation's",
		Hint: "停止安装，电话向上级登记机关核实", HintEN: "stop, and ask the parent's registrar by telephone"}
	ErrOtherNode = &Error{Code: CodeOtherNode, Message: "文件不是发给本节点的", MessageEN: "the file is for another node",
		Hint: "核对节点标识与文件", HintEN: "check the node id and the file"}
	ErrKeys = &Error{Code: CodeKeys, Message: "证书与本节点的密钥不相符", MessageEN: "the certificates do not fit this node's keys",
		Hint: "确认审批的是本机最近一次生成的申请", HintEN: "make sure that the latest request of this machine was approved"}
	ErrJoinCode = &Error{Code: CodeJoin, Message: "入网核对码不符", MessageEN: "the join code does not match",
		Hint: "请与对方电话核对屏幕上的 5×4 位数字；反复不符说明申请文件可能被调换", HintEN: "compare the 5 × 4 digits by telephone; if they keep differing, the request may have been exchanged"}
	ErrTerritory = &Error{Code: CodeTerritory, Message: "节点标识或辖区超出上级可登记的范围", MessageEN: "the node id or its territory lies outside what the parent may name",
		Hint: "核对节点标识与 -territory", HintEN: "check the node id and -territory"}
	ErrMember = &Error{Code: CodeMember, Message: "该节点已经入网", MessageEN: "the node is a member already",
		Hint: "换钥请用密钥轮换流程，不能重新入网", HintEN: "to change keys rotate them; a node does not join twice"}
	ErrEntry = &Error{Code: CodeEntry, Message: "目录登记项无效", MessageEN: "a directory entry is not valid",
		Hint: "登记项须由上级登记机关签名；请重新取得文件", HintEN: "entries are signed by the parent's registrar; get the file again"}
	ErrUnknown = &Error{Code: CodeUnknown, Message: "本节点自己尚未入网，不能邀请下级", MessageEN: "this node is not in the directory itself",
		Hint: "先完成本节点的入网（fayi init -approval）", HintEN: "finish this node's own join first (fayi init -approval)"}
)
