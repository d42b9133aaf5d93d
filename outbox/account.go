package outbox

import (
	"fmt"
	"regexp"
	"strings"
)

// Account is a database account of a business system on MySQL or MariaDB.
type Account struct {
	User, Host string // [A-Za-z0-9_.-]{1,32}; a host, address or pattern such as 10.1.2.%
	Password   string // empty: the account is there, or its administrator makes it
}

var (
	userName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,32}$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9_.:%/-]{1,60}$`)
)

func (a Account) name() string { return "'" + a.User + "'@'" + a.Host + "'" }

func (a Account) check() error {
	if !userName.MatchString(a.User) || !hostName.MatchString(a.Host) {
		return &Error{Code: CodeAccount, Message: "账号应为 1～32 位字母、数字或 _ . -，主机为主机名、地址或 10.1.2.% 这样的范围",
			MessageEN: "an account is 1 to 32 letters, digits and _ . -; a host is a name, an address or a pattern such as 10.1.2.%"}
	}
	if strings.ContainsAny(a.Password, "\\'\x00\r\n") {
		return &Error{Code: CodeAccount, Message: "口令中不能有引号、反斜杠和换行", MessageEN: "a password has no quote, backslash or line end"}
	}
	return nil
}

// ViewName is the view in which a source sees its own rejected rows.
func ViewName(source string) string {
	return RejectedTable + "_" + strings.NewReplacer(".", "_", "-", "_").Replace(source)
}

// GrantStatements let an account insert into the source's table, nothing else; with rejected, where exchange_rejected lies in the same
// database, also read the source's own rejected rows through a view. They may run again without harm. MySQL and MariaDB only.
func GrantStatements(source, table string, a Account, rejected bool) ([]string, error) {
	if err := checkAccount(source, table, a); err != nil {
		return nil, err
	}
	var out []string
	if a.Password != "" {
		out = append(out, "CREATE USER IF NOT EXISTS "+a.name()+" IDENTIFIED BY '"+a.Password+"'")
	}
	out = append(out, "GRANT INSERT ON `"+table+"` TO "+a.name())
	if rejected {
		out = append(out, "CREATE OR REPLACE SQL SECURITY DEFINER VIEW `"+ViewName(source)+"` AS SELECT * FROM "+RejectedTable+" WHERE source = '"+source+"'",
			"GRANT SELECT ON `"+ViewName(source)+"` TO "+a.name())
	}
	return out, nil
}

// RemovalStatements drop what [GrantStatements] and [SourceStatements] made, but exchange_outbox itself; the account too if one is named.
func RemovalStatements(source, table string, a Account) ([]string, error) {
	named := a.User != ""
	if !named {
		a = Account{User: "-", Host: "-"}
	}
	if err := checkAccount(source, table, a); err != nil {
		return nil, err
	}
	out := []string{"DROP VIEW IF EXISTS `" + ViewName(source) + "`"}
	if table != Table {
		out = append(out, "DROP TABLE IF EXISTS `"+table+"`")
	}
	if named {
		out = append(out, "DROP USER IF EXISTS "+a.name())
	}
	return out, nil
}

func checkAccount(source, table string, a Account) error {
	if !sourceName.MatchString(source) {
		return fmt.Errorf("outbox: bad source name %q", source)
	}
	if err := checkTable(MySQL, table); err != nil {
		return err
	}
	return a.check()
}
