package ftp

import (
	"crypto/sha256"
	"fmt"
)

// full is the group of logins that may upload nothing.
const full = "steelyard_full"

// conf is our file in ProFTPD's configuration. Of two lines that say the same thing differently ProFTPD takes the first, which is the operator's; what Debian's file
// says too stands in <Directory>, which comes before both.
func (o *Options) conf() string {
	text := fmt.Sprintf(`# Made by steelyard-agent: logins of hosted accounts. What is changed here is overwritten.
AuthOrder mod_auth_file.c
AuthUserFile %s
AuthGroupFile %s
<IfModule mod_auth_pam.c>
  AuthPAM off
</IfModule>
RequireValidShell off
UseFtpUsers off
RootLogin off
RootRevoke UseNonCompliantActiveTransfer
DefaultRoot ~
AllowChrootSymlinks off
MaxLoginAttempts 3
UseReverseDNS off
PassivePorts %d %d
HiddenStores on
DeleteAbortedStores on
<Directory />
  Umask 027 027
  AllowOverwrite on
  AllowOverride off
</Directory>
<Limit STOR STOU APPE MKD XMKD>
  Order allow,deny
  DenyGroup %s
</Limit>
<IfModule mod_copy.c>
  CopyEngine off
</IfModule>
<IfModule mod_site_misc.c>
  SiteMiscEngine off
</IfModule>
LogFormat steelyard "%%{epoch} %%u %%m %%s %%b %%I %%O \"%%{transfer-status}\" \"%%f\""
ExtendedLog %s READ,WRITE,EXIT steelyard
`, o.logins(), o.groups(), o.Passive[0], o.Passive[1], full, o.log())
	return text + "ServerIdent on \"" + ident(text) + "\"\n"
}

// ident is how ProFTPD greets when it has loaded the text: no version for strangers, and the proof of a reload for us.
func ident(text string) string { return fmt.Sprintf("FTP %x", sha256.Sum256([]byte(text)))[:12] }

// greeting is what the first line of each session contains.
func (o *Options) greeting() string {
	text := o.conf()
	return text[len(text)-len("FTP 12345678\"\n") : len(text)-len("\"\n")]
}

// rotation is the file for logrotate. Each session opens the log anew.
func (o *Options) rotation() string {
	return o.log() + " {\n\tdaily\n\trotate 30\n\tmissingok\n\tnotifempty\n\tcompress\n\tdelaycompress\n\tcreate 0600 root root\n}\n"
}
