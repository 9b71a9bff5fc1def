package power_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
)

// chassisCommand makes the test binary the chassis program of ipmi_sim.
const chassisCommand = "chassis-of-ipmi-sim"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == chassisCommand {
		if err := ipmisim.Chassis(os.Args[3:], os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
