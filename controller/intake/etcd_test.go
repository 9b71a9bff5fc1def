package intake

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// inEtcd is where states are while the tests of accounts and offers run on etcd; nil: each is in memory. No test of this package is parallel.
var inEtcd func(t *testing.T) kv.KV

// newState is an empty state.
func newState(t *testing.T) kv.KV {
	t.Helper()
	if inEtcd != nil {
		return inEtcd(t)
	}
	return memkv.New(memkv.Options{})
}

// TestC1_C9_P12_X14_TheSameOnEtcd runs the tests of offers, subscriptions and accounts on the state that a fleet has, one etcd for all of them.
func TestC1_C9_P12_X14_TheSameOnEtcd(t *testing.T) {
	server := etcdtest.Single(t)
	inEtcd = func(t *testing.T) kv.KV {
		t.Helper()
		backend := server.KV()
		wipe(t, backend)
		return backend
	}
	t.Cleanup(func() { inEtcd = nil })
	for _, f := range []func(*testing.T){
		TestC1_AResellerHasAnyNumberOfOffersOfHisOwn, TestC2_ANameIsUniqueWithoutRegardToCaseForEachReseller, TestC7_TheCountIsExact,
		TestC8_AnOfferInUseIsNotDeletedAndNobodyIsZeroed, TestP12_ThePreviewOfAnEditIsWhatTheFanOutDoes, TestP10_ADateSuspendsAndALaterOneLiftsIt,
		TestC22_AccountDefaultsAreThoseOfEachReseller,
		TestC9_C12_C14_AnAccountIsMadeAndRemovedWithAllOfIt, TestX14_ADomainNameBelongsToOneOfTheWholeFleet, TestC15_PasswordsOfConsoleAndNodeChangeTogether,
		TestX9_NoPasswordIsStoredInClear, TestX10_TheSameRequestAgainMakesOneAccountWhateverWasLost, TestH18_AnAccountNeedsANodeThatCarriesAccounts,
		TestC13_C16_P10_WhatTheSubscriptionGivesReachesTheNodeInTheSameCommit, TestC22_TheDefaultMailboxIsMadeOrItIsToldWhyNot,
		TestC6_C10_TheSwitchesApplyWhenAnAccountIsMade, TestX13_EverythingThatIsWrongWithAnAccountIsToldAtOnce, TestH6_AccountsThatAnAgentCarriesAreNotMovedByHand,
		TestP6_AnEditOfAResellerPlanIsWhatItsPreviewTold, TestX12_WhatCustomersHaveCountsAgainstTheLimitsOfTheirReseller, TestX12_WhoOversellsIsHeldToWhatThereIs,
		TestP6_P12_AnEditThatAResellerHasNoRoomForWaits, TestX12_TheLastOneGoesToOne, TestX12_WhatIsSoldIsCountedWhateverHappens,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
		t.Run(name[strings.LastIndex(name, ".Test")+len(".Test"):], f)
	}
}

// wipe deletes all keys. The revisions go on.
func wipe(t *testing.T, backend kv.KV) {
	t.Helper()
	for {
		page, err := backend.List(context.Background(), "", kv.ListOptions{Limit: kv.DefaultLimits.MaxOps, KeysOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Entries) == 0 {
			return
		}
		var all kv.Txn
		for _, e := range page.Entries {
			all.Ops = append(all.Ops, kv.Delete(e.Key))
		}
		if _, _, err := backend.Commit(context.Background(), all); err != nil {
			t.Fatal(err)
		}
	}
}
