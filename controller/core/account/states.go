package account

import "github.com/steelyard/steelyard/controller/core/state"

// States lists those of an account.
var States = []string{Making, There, Leaving, Stuck, Gone}

// Accounts is the life of an account.
var Accounts = state.Table{
	Noun: "account",
	States: []state.State{
		{Name: Making, Begin: true, Means: "its node makes it", Owner: "the node", Until: "the node has read back all of it; a task is filed when it fails for long", Out: "steelyard account remove"},
		{Name: There, Rests: true, Means: "all of it is on the node", Out: "steelyard account remove"},
		{Name: Leaving, Means: "its node removes it", Owner: "the node", Until: "the node says that nothing is left, or what is", Out: "steelyard account show tells what the node says"},
		{Name: Stuck, Means: "something of it could not be removed; its user name and its domains are held", Owner: "operations", Until: "the node could remove it, which it tries again and again", Out: "steelyard account retry"},
		{Name: Gone, Rests: true, Means: "nothing of it is left; the record is kept for 30 days"},
	},
	Moves: []state.Move{
		{From: []string{Making}, To: []string{There}, By: "the node made all of it"},
		{From: []string{Making, There}, To: []string{Leaving}, By: "a person removes it"},
		{From: []string{Leaving}, To: []string{Stuck}, By: "the node could not remove all of it"},
		{From: []string{Stuck}, To: []string{Leaving}, By: "a person lets the node try again"},
		{From: []string{Leaving, Stuck}, To: []string{Gone}, By: "nothing of it is left, or its server is out of the fleet"},
	},
}
