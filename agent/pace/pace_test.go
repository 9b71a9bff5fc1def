package pace

import (
	"testing"
	"time"
)

func TestASteadyRateIsToldExactly(t *testing.T) {
	var m Meter
	now := time.Unix(0, 0)
	if rate, left := m.Read(now, 0, 1000); rate != 0 || left != 0 {
		t.Fatal("nothing can be known yet")
	}
	for i := uint64(1); i <= 5; i++ {
		rate, left := m.Read(now.Add(time.Duration(i)*time.Second), 100*i, 1000)
		if rate != 100 || left != 10-i {
			t.Errorf("after %d s: %d a second, %d s left", i, rate, left)
		}
	}
	if rate, left := m.Read(now.Add(6*time.Second), 50, 1000); rate != 0 || left != 0 {
		t.Errorf("work that begins anew: %d %d", rate, left)
	}
}

func TestARateFollowsSlowly(t *testing.T) {
	var m Meter
	now, done := time.Unix(0, 0), uint64(0)
	for i := range 60 {
		if done += 100; i >= 30 {
			done += 100
		}
		now = now.Add(time.Second)
		rate, _ := m.Read(now, done, 1e6)
		if i == 31 && (rate < 105 || rate > 180) {
			t.Errorf("two seconds after the change: %d", rate)
		}
		if i == 59 && (rate < 190 || rate > 200) {
			t.Errorf("half a minute after the change: %d", rate)
		}
	}
}
