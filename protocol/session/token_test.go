package session

import (
	"fmt"
	"strings"
	"testing"
)

var sum = strings.Repeat("ab", 32)

func TestJoinTokenRoundTrip(t *testing.T) {
	tok := NewJoinToken("tok-1", "s3cret", strings.ToUpper(sum))
	back, err := ParseJoinToken(" " + tok.Text() + "\n")
	if err != nil || back != tok || back.Proof() != "tok-1.s3cret" {
		t.Fatalf("%v, %v", back, err)
	}
	id, secret, err := SplitProof(back.Proof())
	if err != nil || id != "tok-1" || secret != "s3cret" {
		t.Errorf("%q %q %v", id, secret, err)
	}
}

func TestX9_JoinTokensPrintWithoutTheirSecret(t *testing.T) {
	tok := NewJoinToken("tok-1", "s3cret", sum)
	printed := fmt.Sprintf("%v %s %+v %#v", tok, tok, tok, tok)
	_, err := ParseJoinToken("syj1.tok-1.s3cret.short")
	if strings.Contains(printed, "s3cret") || err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the secret leaked: %s; %v", printed, err)
	}
}

func TestBrokenJoinTokens(t *testing.T) {
	for _, text := range []string{"", "syj1", "syj2.a.b." + sum, "syj1.a.b", "syj1..b." + sum, "syj1.a.." + sum, "syj1.a.b." + sum[1:], "syj1.a.b.zz" + sum[2:], strings.Repeat("x", 600)} {
		if _, err := ParseJoinToken(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	for _, proof := range []string{"", "a", "a.", ".b", "a." + strings.Repeat("b", 300)} {
		if _, _, err := SplitProof(proof); err == nil {
			t.Errorf("proof %q was accepted", proof)
		}
	}
}
