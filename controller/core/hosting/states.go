package hosting

import "github.com/steelyard/steelyard/controller/core/state"

// States lists those of a placement.
var States = []string{Making, There, Leaving, Stuck}

// Placements is the life of a placement. Whoever has what it stands for says which state it is in: a panel, or a person.
var Placements = state.Table{
	Noun: "placement",
	States: []state.State{
		{Name: Making, Begin: true, Means: "it is being made; the server is used already", Owner: "the panel that makes it", Until: "the panel says so", Out: "steelyard placement set-state, or delete"},
		{Name: There, Begin: true, Rests: true, Means: "it is on the server", Out: "steelyard placement set-state, or delete"},
		{Name: Leaving, Means: "it is being removed; the server is used still", Owner: "the panel that removes it", Until: "the panel says so", Out: "steelyard placement set-state, or delete"},
		{Name: Stuck, Means: "it could not be removed; something of it is left on the server", Owner: "operations", Until: "somebody removed it by hand", Out: "steelyard placement set-state, or delete"},
	},
	Moves: []state.Move{
		{From: []string{Making}, To: []string{There}, By: "the panel made it"},
		{From: []string{Making, There, Stuck}, To: []string{Leaving}, By: "the panel begins to remove it"},
		{From: []string{Leaving}, To: []string{There}, By: "the panel gave up; nothing was removed"},
		{From: []string{Making, Leaving}, To: []string{Stuck}, By: "the panel could not remove all of it"},
	},
}
