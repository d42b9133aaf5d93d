package ticket

import "time"

// Appeal is what a citizen asks for (诉求). Lengths are in characters; a peer's own limits are in its [Capabilities].
type Appeal struct {
	AppealType   string       `json:"appealType"`             // list appealType
	ClassScheme  string       `json:"classScheme,omitempty"`  // name and version of the class table
	ClassCode    string       `json:"classCode"`              // code in it, or UNMAPPED with the original in ClassText
	ClassPath    []string     `json:"classPath,omitempty"`    // names, at most 5
	ClassText    string       `json:"classText,omitempty"`    // what the sender wrote where no code fits
	Title        string       `json:"title"`                  // at most 100
	Content      string       `json:"content"`                // at most 10,000, never cut silently
	Overflow     bool         `json:"contentOverflow"`        // Content is a summary; the whole is an attachment of kind fulltext
	Demand       string       `json:"demand,omitempty"`       // at most 2,000
	OccurredAt   time.Time    `json:"occurredAt,omitzero"`    //
	OccurredText string       `json:"occurredText,omitempty"` // where no time is known
	Division     string       `json:"placeDivision"`          // 6, 9 or 12 digits, county level at least
	Place        string       `json:"placeText,omitempty"`    //
	Lon          string       `json:"lon,omitempty"`          // decimal degrees as text
	Lat          string       `json:"lat,omitempty"`          //
	CRS          string       `json:"crs,omitempty"`          // CGCS2000, WGS84 or GCJ02, needed with Lon and Lat
	Respondent   *Respondent  `json:"respondent,omitempty"`   // complaints and reports
	ReceivedAt   time.Time    `json:"receivedAt"`             // when the citizen first spoke; starts the overall clock
	Channel      string       `json:"channel"`                // list channel
	Urgency      int          `json:"urgency"`                // 1, 2 or 3
	UrgencyWhy   string       `json:"urgencyReason,omitempty"`
	UrgencyBy    string       `json:"urgencyBy,omitempty"` // the named person behind urgency 1
	Danger       string       `json:"dangerFlag"`          // list danger
	Repeat       bool         `json:"isRepeat,omitempty"`
	RepeatOf     []string     `json:"repeatOf,omitempty"`
	InProcedure  string       `json:"inProcedure"` // list inProcedure
	CaseNo       string       `json:"procedureCaseNo,omitempty"`
	GroupSize    int          `json:"groupSize,omitempty"`
	Sensitivity  string       `json:"sensitivity,omitempty"`
	Reply        string       `json:"desiredReply,omitempty"` // phone, sms, online, none
	QuietHours   string       `json:"quietHours,omitempty"`   // 22:00-08:00
	Attachments  []Attachment `json:"attachments,omitempty"`
	Legal        *Legal       `json:"legal12348,omitempty"`
	Markers      []string     `json:"strippedParts,omitempty"` // names of parts that were taken out before sending
}

// Respondent is the unit or person an appeal is about.
type Respondent struct {
	Kind    string `json:"kind,omitempty"` // org, person
	Name    string `json:"name"`
	USCC    string `json:"uscc,omitempty"`
	Phone   string `json:"phone,omitempty"`
	Address string `json:"address,omitempty"`
}

// Legal is what 12348 needs to know of an appeal that 12345 passes on.
type Legal struct {
	Need       []string `json:"need,omitempty"`           // list legalNeed
	Groups     []string `json:"applicantGroup,omitempty"` // list specialGroup
	Limitation string   `json:"limitationDate,omitempty"` // last day of 诉讼时效 or 仲裁时效, YYYY-MM-DD; raises an alarm of its own
}

// Attachment is a file, named by its hash. Its bytes travel apart from the ticket and may come later.
type Attachment struct {
	ID     string `json:"attId"`
	Name   string `json:"name"`
	MIME   string `json:"mime,omitempty"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256,omitempty"` // lower-case hexadecimal
	SM3    string `json:"sm3,omitempty"`
	Kind   string `json:"kind"`                  // list attachmentKind
	Shared string `json:"sharedClass,omitempty"` // public, unit, private
	Ref    string `json:"ref,omitempty"`         // where the bytes are: the peer's file number or address; never dialled unless its host is allowed
}

// Citizen is who asks (诉求人). An outgoing one holds only what the share policy and the secrecy level let pass.
type Citizen struct {
	Ref       string   `json:"citizenRef"`         // pseudonym; between two parties a keyed hash with their own salt
	Anonymous bool     `json:"anonymous"`          //
	Secrecy   int      `json:"secrecy"`            // list secrecy; survives every hop
	Name      string   `json:"name,omitempty"`     //
	Gender    string   `json:"gender,omitempty"`   //
	Phone     string   `json:"phone,omitempty"`    // under secrecy a relay number or "经转出方联系"
	AltPhone  string   `json:"altPhone,omitempty"` //
	ChannelID string   `json:"channelId,omitempty"`
	IDType    string   `json:"idType,omitempty"`
	IDNo      string   `json:"idNo,omitempty"` // never sent unless a profile says so
	Address   string   `json:"address,omitempty"`
	IsOrg     bool     `json:"isOrg,omitempty"`
	OrgName   string   `json:"orgName,omitempty"`
	USCC      string   `json:"uscc,omitempty"`
	Consent   *Consent `json:"consent,omitempty"`
	Groups    []string `json:"specialGroup,omitempty"` // list specialGroup
}

// Consent to pass personal data on.
type Consent struct {
	Given bool      `json:"given"`
	At    time.Time `json:"at,omitzero"`
	How   string    `json:"how,omitempty"`
	Scope string    `json:"scope,omitempty"`
}

// Confidential are the parts of a matter that only 12348 may see. No [Offer] or [Message] has a place for them.
type Confidential struct {
	LegalAdvice string `json:"legalAdvice,omitempty"`
	Mediation   string `json:"mediation,omitempty"`
	AidFinance  string `json:"aidFinance,omitempty"`
	Notes       string `json:"notes,omitempty"`
}

// Case is our own matter, whole. It stays at home.
type Case struct {
	ID           string       `json:"caseId"`
	TicketNo     string       `json:"ticketNo"` // of hotline_ticket
	Appeal       Appeal       `json:"appeal"`
	Citizen      Citizen      `json:"citizen"`
	Confidential Confidential `json:"confidentialParts,omitzero"`
}
