package problem

// Codes of answers between nodes and of the local API. They never change
// meaning; new ones may be added.
const (
	Internal      = "INTERNAL"
	TooLarge      = "TOO_LARGE"
	Malformed     = "MALFORMED"
	NotCanonical  = "NOT_CANONICAL"
	SuiteUnknown  = "SUITE_UNKNOWN"
	UnknownOp     = "UNKNOWN_OP"
	NotMe         = "NOT_ME"
	NotPeer       = "NOT_PEER"
	KeyUnknown    = "KEY_UNKNOWN"
	BadSignature  = "BAD_SIGNATURE"
	KeyEnded      = "KEY_ENDED"
	Clock         = "CLOCK"
	Replay        = "REPLAY"
	FramesDiffer  = "FRAMES_DIFFER"
	NotForMe      = "NOT_FOR_ME"
	NotCarrier    = "NOT_CARRIER"
	Gap           = "GAP"
	Fork          = "FORK"
	Forked        = "FORKED"
	BadStart      = "BAD_START"
	CannotOpen    = "CANNOT_OPEN"
	BodyUnread    = "BODY_UNREADABLE"
	LeafNoOrder   = "LEAF_WITHOUT_ORDER"
	LineInvalid   = "LINE_INVALID"
	BadReceipt    = "BAD_RECEIPT"
	ReceiptAhead  = "RECEIPT_AHEAD"
	BadNote       = "BAD_NOTE"
	NoteConflict  = "NOTE_CONFLICT"
	NoteStale     = "NOTE_STALE"
	TailMissing   = "TAIL_MISSING"
	NewGeneration = "GENERATION"
	BadEntry      = "BAD_ENTRY"
	Territory     = "TERRITORY"
	BreakGlass    = "BREAK_GLASS"
	Busy          = "BUSY"
	RateLimited   = "RATE_LIMITED"
	Unauthorized  = "UNAUTHORIZED"
	Forbidden     = "FORBIDDEN"
	NotFound      = "NOT_FOUND"
	BadRequest    = "BAD_REQUEST"
	KeyReused     = "IDEMPOTENCY_KEY_REUSED"
	Invalid       = "INVALID"
	Unreachable   = "UNREACHABLE"
	BadAnswer     = "BAD_ANSWER"
	PeerAway      = "PEER_AWAY"
	PeerBack      = "PEER_BACK"
	BadConfig     = "BAD_CONFIG"
	Behind        = "DATABASE_BEHIND"
	Ahead         = "DATABASE_AHEAD"
	JournalAhead  = "JOURNAL_AHEAD"
	JoinCode      = "JOIN_CODE"
	AlreadyExists = "ALREADY_EXISTS"
	PackDamaged   = "PACK_DAMAGED"
	PackSigner    = "PACK_SIGNER"
	PackFaulty    = "BAD_PACK"
	PackDiffers   = "PACK_DIFFERS"
	PackOlder     = "PACK_OLDER"
	PackOwner     = "PACK_OWNER"
	PackWaits     = "PACK_WAITS"
	PackAdopted   = "PACK_ADOPTED"
	PackBraked    = "PACK_BRAKED"
	PackRefused   = "PACK_REFUSED"
	Brake         = "BRAKE"
)

var table = map[string]Text{
	OK:            {"成功", "ok", ""},
	Internal:      {"本节点内部出错", "internal error", "请查看本节点日志，按请求编号查找原因"},
	TooLarge:      {"报文或记录超过大小上限", "message or record exceeds the size limit", "拆小后重试；大内容请用附件"},
	Malformed:     {"报文格式不正确", "malformed message", "按《接口规范》核对报文各项"},
	NotCanonical:  {"被签名的内容不是规范写法", "signed content is not in canonical form", "成员顺序、空白、数字与十六进制写法须与协议第1节完全一致"},
	SuiteUnknown:  {"不认识的版本或密码套件", "unknown version or cipher suite", "请升级本节点，或让对方使用双方都支持的套件"},
	UnknownOp:     {"没有这个操作", "unknown operation", "核对操作名"},
	NotMe:         {"报文的收件节点不是本节点", "the message is addressed to another node", "核对对端地址与节点标识是否对应"},
	NotPeer:       {"对方不是本节点的对端", "the caller is not a peer of this node", "先完成入网审批（fayi peer approve）或在 peers 中配置"},
	KeyUnknown:    {"还不认识签名所用的证书，已暂缓", "the signing certificate is not known yet; deferred", "等待目录同步；长时间不消失时核对对方是否已入网"},
	BadSignature:  {"签名验证不通过", "the signature does not verify", "数据在途中被改动，或对方使用了错误的私钥；请通知对方核查"},
	KeyEnded:      {"签名证书对这个位置无效", "the signing key is not good for this position", "证书已轮换或吊销；请对方用现行证书重新发布"},
	Clock:         {"双方时钟相差超过15分钟", "clocks differ by more than 15 minutes", "校准时钟（NTP）后重试"},
	Replay:        {"同一请求被重放", "the same call was sent twice", "换一个随机数重发"},
	FramesDiffer:  {"所附数据段与签名清单不一致", "the frames are not those the signed list names", "数据在途中被改动或截断，请重发"},
	NotForMe:      {"这个数据流不是发给本节点的", "this stream is not meant for this node", "核对流的受众；可能是对方配置有误"},
	NotCarrier:    {"对方无权转递这个数据流", "the sender may not carry this stream", "核对对端关系和组织层级"},
	Gap:           {"中间缺少数据段，请从所示位置续传", "segments are missing; continue from the position shown", "无需处理，系统会自动续传"},
	Fork:          {"同一位置出现两份都有有效签名的不同数据，该流已停止", "two different, validly signed segments at one position; the stream is stopped", "立即联系源节点与登记机关，按分叉处置流程办理"},
	Forked:        {"该流因分叉已停止", "the stream is stopped because of a fork", "等待源节点与登记机关签发处置决定"},
	BadStart:      {"新一代数据的起点与所接续的位置不符", "a new generation does not start where it continues from", "请源节点核查恢复过程"},
	CannotOpen:    {"数据段打不开", "the segment cannot be opened", "容器在途中损坏，系统会重新获取；反复出现请联系发送方"},
	BodyUnread:    {"归档的数据段正文读不出来，该流暂停发送", "the archived body of a segment cannot be read; the stream rests", "检查 archive 目录是否挂载、文件是否损坏，从备份恢复该文件；日志中有文件名"},
	LeafNoOrder:   {"数据段中有被抹去的记录，但没有相应的删除令", "a line was reduced to its leaf without an erasure order", "可能有人压下了记录；系统会改从别处获取，请通知源节点"},
	LineInvalid:   {"记录的字节不符合协议", "a line breaks the protocol's byte rules", "请源节点升级或核查"},
	BadReceipt:    {"回执无效", "the receipt is not valid", "回执未被采信，游标未移动；请通知对方核查"},
	ReceiptAhead:  {"对方回执的位置超过本节点现有数据", "a reader acknowledges more than this node holds", "本节点数据库可能被回退；以 heads.journal 为准，必要时会另开新一代"},
	BadNote:       {"数据头公告无效", "the head note is not valid", "请通知对方核查"},
	NoteConflict:  {"数据头公告与所持数据矛盾", "a head note contradicts the copy held here", "可能有人隐瞒或篡改数据，请立即核查"},
	NoteStale:     {"对方的数据头公告过久没有更新", "the newest head note of a node is too old", "对方可能停机，也可能途中有人隐瞒；请电话核对"},
	TailMissing:   {"源节点公告说还有后续数据，但本节点没有收到", "the origin's note says there is more than this node received", "途中可能有人扣下数据；请核对转递节点"},
	NewGeneration: {"源节点另开了新一代数据，其后的旧数据作为孤段留存", "the origin opened a new generation; what lay beyond its start is kept as orphans", "源节点可能恢复过备份；核对孤段中的记录是否已重新发布"},
	BadEntry:      {"目录登记项无效", "the directory entry is not valid", "登记项须由上级登记机关签名"},
	Territory:     {"登记机关无权登记这个节点", "the registrar may not name this node", "核对节点标识与辖区"},
	BreakGlass:    {"换钥未经旧钥确认，等待人工核准", "a key change without the old key's consent waits for a person", "电话核实后由管理员核准"},
	Busy:          {"本节点正忙，请稍后重试", "the node is busy; try again later", "稍候会自动重试"},
	RateLimited:   {"请求过于频繁，请按所示时间稍后再试", "too many requests; wait as long as the answer says", "稍候会自动重试；长期出现请与对方商定限额（limits）"},
	Unauthorized:  {"缺少或错误的接口令牌", "missing or wrong API token", "在 Authorization: Bearer 中提供令牌；见 keys/api.token"},
	Forbidden:     {"该令牌没有这项权限", "the token lacks this right", "请管理员在 fayi.yaml 的 api.keys 中授权"},
	NotFound:      {"没有找到", "not found", "核对名称"},
	BadRequest:    {"请求参数不正确", "bad request", "按提示改正参数"},
	KeyReused:     {"同一幂等键曾用于不同内容", "this idempotency key was used for other content", "为新内容换一个幂等键"},
	Invalid:       {"记录不符合数据规范", "the record does not meet its schema", "按所列各项改正后重新提交"},
	Unreachable:   {"连不上对端", "the peer cannot be reached", "检查网络、地址与对端是否启动；系统会自动重试"},
	BadAnswer:     {"对端的应答不可信", "the peer's answer cannot be trusted", "应答未通过验签或与请求不符，可能有网关改动了报文"},
	PeerAway:      {"对端连续无应答，已暂停呼叫，稍后自动试探", "the peer did not answer several times; calls wait and it is probed now and then", "检查对端是否运行、网络是否通；其他对端不受影响，恢复后自动续传"},
	PeerBack:      {"对端已恢复", "the peer answers again", "无需处理，积压的数据会自动续传"},
	BadConfig:     {"配置有误", "the configuration has faults", "按所列各项改正 fayi.yaml"},
	Behind:        {"数据库结构需要升级", "the database needs migrating", "运行 fayi migrate -c fayi.yaml"},
	Ahead:         {"数据库由更新版本的程序建立", "the database belongs to a newer version", "请使用不低于该版本的程序"},
	JournalAhead:  {"数据库落后于 heads.journal，可能被回退", "the database is behind heads.journal and may have been rolled back", "下一段数据会另开新一代；请核对是否恢复过旧备份"},
	JoinCode:      {"入网核对码不符", "the join code does not match", "请与对方电话核对屏幕上的 5×4 位数字"},
	Brake:         {"短时间内删除或修改过多，等待人工确认", "too much was deleted or changed at once; a person must confirm", "运行 fayi outbox status 查看，用 fayi outbox confirm 放行或拒绝"},
	AlreadyExists: {"已经存在", "already exists", "换一个目录或名称"},
	PackDamaged:   {"数据规范包文件不完整或已损坏", "the schema pack file is incomplete or damaged", "重新获取该文件；反复出现请联系发布方"},
	PackSigner:    {"数据规范包不是由发布节点的登记机关或其授权的签发人签名", "the schema pack is not signed by its node's registrar or a signer it names", "不予采用；请向发布方的登记机关核实"},
	PackFaulty:    {"数据规范包的内容有问题", "the contents of the schema pack have faults", "请发布方按所列各项改正后以新版本号重新签发"},
	PackDiffers:   {"同一名称和版本的规范包已有另一份内容", "another schema pack of this name and version is here already", "版本号不可重用；请发布方以新版本号重新签发"},
	PackOlder:     {"规范包的版本不高于现行版本，不予采用", "the schema pack is not newer than the one adopted; it is not adopted", "如确需改回，请发布方以更高版本号签发旧内容"},
	PackOwner:     {"该规范包或其中的记录类型归别的节点发布", "this pack, or a record type in it, is another node's to publish", "换一个规范包名称和类型名；全国规范包只由部级发布"},
	PackWaits:     {"新规范包等待人工决定", "a new schema pack waits for a person", "运行 fayi schema list 查看原因，再用 fayi schema adopt 或 fayi schema refuse 决定"},
	PackRefused:   {"由人决定不采用规范包", "a person refused a schema pack", "无需处理；要采用时运行 fayi schema adopt"},
	PackAdopted:   {"已采用新规范包", "a new schema pack was adopted", "无需处理"},
	PackBraked:    {"采用新规范包后大量记录不合格，已自动退回前一版本", "after a new schema pack was adopted many records failed; the version before is back in force", "核对该规范包；确认无误后用 fayi schema adopt 再次采用，再用 fayi outbox retry 重试被拒的行"},
}
