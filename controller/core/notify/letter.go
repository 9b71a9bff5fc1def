package notify

import (
	"fmt"
	"strings"
	"time"
)

// Subject is the subject line of the mail about e.
func (e Event) Subject() string {
	return shorten(line("[steelyard] "+e.sentence()), 160)
}

// sentence says what happened, for somebody who reads nothing else.
func (e Event) sentence() string {
	d := e.Data
	noun, word, _ := strings.Cut(e.Type, ".")
	word = strings.ReplaceAll(word, "_", " ")
	switch noun {
	case "task":
		return "Task " + word + ": " + d.Subject
	case "operation":
		return "Operation " + word + ": " + d.Kind + " on server " + e.server()
	case "service":
		if d.State == "needs_attention" {
			word = "needs attention"
		} else {
			word = "is " + word
		}
		return "Service " + firstOf(d.Hostname, d.ID) + " " + word
	case "sale":
		return "Sale of server " + e.server() + ": " + word
	}
	return "Test: mail from this fleet arrives"
}

func (e Event) server() string { return firstOf(e.Data.ServerName, e.Data.Server) }

// Letter is the text of the mail about e. base is the address of the API, "" for no
// link.
func (e Event) Letter(base string) string {
	d := e.Data
	var b strings.Builder
	b.WriteString(line(e.sentence()) + ".\n\n")
	if d.Message != "" {
		b.WriteString(printable(d.Message) + "\n\n")
	}
	b.WriteString("To do:     " + e.next() + "\n")
	if base != "" && d.ID != "" {
		b.WriteString("Link:      " + strings.TrimRight(base, "/") + "/v1/" + d.Table + "/" + d.ID + "\n")
	}
	b.WriteString("\n")
	server := d.Server
	if d.ServerName != "" {
		server = d.ServerName + " (" + d.Server + ")"
	}
	for _, row := range [][2]string{
		{"Server:", server},
		{"Reseller:", d.Reseller},
		{"Customer:", d.Customer},
		{"Order:", d.Order},
		{"Service:", d.Service},
		{"Operation:", d.Operation},
		{"Team:", d.Department},
		{"Assignee:", d.Assignee},
		{"When:", e.At.UTC().Format(time.RFC3339)},
		{"Event:", e.Type + " " + e.ID},
	} {
		if row[1] != "" {
			fmt.Fprintf(&b, "%-11s%s\n", row[0], line(row[1]))
		}
	}
	return b.String()
}

// next is what the reader can do about it.
func (e Event) next() string {
	d := e.Data
	switch e.Type {
	case "task.opened", "task.assigned", "task.moved", "task.overdue", "task.commented":
		return "steelyard task show " + d.ID + "; when it is done: steelyard task close " + d.ID + " --reason '…'"
	case "operation.held":
		return "decide: steelyard operation retry " + d.ID + ", or skip or cancel it with --reason '…'"
	case "operation.failed":
		return "steelyard operation show " + d.ID + "; why the server cannot be given to anybody: steelyard server why " + d.Server
	case "sale.asking":
		return "decide: steelyard sale continue " + d.ID + " --reason '…', or steelyard sale cancel " + d.ID
	case "service.needs_attention":
		return "steelyard task list --state open --service " + d.ID
	}
	return "nothing; this is for your information"
}

// line makes one line of a text that may hold anything.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }), " ")
}

// printable keeps line breaks and drops other control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return -1
	}, s)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
