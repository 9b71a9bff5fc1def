package account

// Removal is all that goes with an account (rule C14). Whoever removes it confirms it by its domain.
type Removal struct {
	Account   string   `json:"account"`
	Domain    string   `json:"domain" doc:"Type it to confirm."`
	User      string   `json:"user" doc:"Of system, FTP, console and databases, with its home and all files."`
	Domains   []string `json:"domains" doc:"Names that are free afterwards."`
	Sites     []string `json:"sites"`
	Forwards  []string `json:"forwards" doc:"Domains that lead to the account; they go too."`
	FTPLogins []string `json:"ftp_logins"`
	Mailboxes []string `json:"mailboxes" doc:"With all mail."`
	Lists     []string `json:"lists"`
	Databases []string `json:"databases" doc:"With all that is in them."`
	Server    string   `json:"server"`
	Connected bool     `json:"connected" doc:"Whether the node is connected: it removes everything as soon as it is."`
}

// RemovalOf lists what goes with an account.
func RemovalOf(a *Account) Removal {
	r := Removal{
		Account: a.ID, Domain: a.Domain, User: a.User, Domains: []string{a.Domain, WWW(a.Domain)}, Sites: append([]string{a.Domain}, a.Subdomains...),
		Forwards: []string{}, FTPLogins: []string{}, Mailboxes: []string{}, Lists: []string{}, Databases: append([]string{}, a.Databases...), Server: a.Server,
	}
	r.Domains = append(r.Domains, a.Subdomains...)
	for _, f := range a.Forwards {
		r.Forwards, r.Domains = append(r.Forwards, f.Domain), append(r.Domains, f.Domain, WWW(f.Domain))
	}
	for _, l := range a.FTPLogins {
		r.FTPLogins = append(r.FTPLogins, l.Name)
	}
	for _, m := range a.Mailboxes {
		r.Mailboxes = append(r.Mailboxes, m.Address)
	}
	for _, l := range a.Lists {
		r.Lists = append(r.Lists, l.Address)
	}
	return r
}
