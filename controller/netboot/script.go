package netboot

import (
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Paths that are served. They are named relative to one another in scripts, so that a machine goes on with the address that it came by.
const (
	pathScript = "/netboot/boot.ipxe"
	pathRAM    = "/netboot/ram/" // digest of the pair, then the file
	pathEFI    = "/netboot/ipxe.efi"
)

// retrySeconds is how long a machine waits before it asks again.
const retrySeconds = 15

// introduction lets iPXE ask again with what it knows of its machine. --replace lets "exit" of the next script leave iPXE. The address
// is whole, because iPXE takes what stands before a colon for the scheme of a relative one, and texts of firmware hold colons.
func introduction(host string) string {
	return fmt.Sprintf(`#!ipxe
echo
echo Steelyard: asking what this machine shall start ...
:again
chain --replace http://%s%s?mac=${netX/mac:hexhyp}&uuid=${uuid}&buildarch=${buildarch}&platform=${platform}&serial=${serial:uristring} ||
echo The controller gave no answer. Trying again in %d seconds.
sleep %d
goto again
`, host, pathScript, retrySeconds, retrySeconds)
}

// retry is the end of every script that met trouble.
var retry = fmt.Sprintf(`echo Trying again in %d seconds.
sleep %d
chain --replace %s || goto trouble
`, retrySeconds, retrySeconds, pathScript)

// screen is what is told before anything is done.
func screen(m Machine, of []Standing, d Decision) string {
	var b strings.Builder
	b.WriteString("#!ipxe\necho\n")
	say := func(format string, args ...any) { fmt.Fprintf(&b, "echo %s\n", plain(fmt.Sprintf(format, args...))) }
	who := "an unknown machine, network card " + m.MAC
	if m.Serial != "" {
		who += ", serial number " + m.Serial
	}
	for _, st := range of {
		who = fmt.Sprintf("server %s (%s)", st.Server.Name, st.Server.ID)
		say("Steelyard: %s", who)
	}
	if len(of) == 0 {
		say("Steelyard: %s", who)
	}
	what := map[string]string{RAM: "starts the RAM environment", Disk: "starts from its own disk"}[d.Boot]
	if d.Mode != "" {
		what += " (" + d.Mode + ")"
	}
	say("It %s: %s.", what, d.Why)
	if d.Next != "" {
		say("What can be done: %s", d.Next)
	}
	return b.String()
}

// disk leaves iPXE for the machine's own disk. BIOS: the first disk, else the next boot device. UEFI has no way to name a disk from
// here; firmware goes on with its boot order when a boot device fails.
func disk(m Machine) string {
	if m.Platform == "efi" {
		return "echo If the firmware does not go on by itself, put the disk before the network in its boot order.\nexit 1\n"
	}
	return "sanboot --no-describe --drive 0x80 || exit\n"
}

// memory loads kernel and memory image and starts them.
func memory(digest string, args []string) string {
	return fmt.Sprintf(`kernel %[1]s%[2]s/vmlinuz initrd=initrd %[3]s || goto trouble
initrd --name initrd %[1]s%[2]s/initrd || goto trouble
boot || goto trouble
:trouble
echo The RAM environment could not be loaded from the controller, or not be started.
`, pathRAM, digest, strings.Join(args, " ")) + retry
}

// sorry tells a machine that there is nothing for it now.
func sorry(err error) string {
	return "#!ipxe\necho\necho Steelyard: " + plain(fault.From(err).Message) + "\n:trouble\n" + retry
}

// plain is text that iPXE shows as it is: without what its scripts give a meaning, and no longer than two lines.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune("$&|;\\\"'#`", r) {
			return ' '
		}
		return r
	}, text)
	return text[:min(len(text), 158)]
}
