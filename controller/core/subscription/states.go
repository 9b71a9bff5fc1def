package subscription

import "github.com/steelyard/steelyard/controller/core/state"

// The three regions of a subscription (rule P7). Each is a table of its own: a move in one leaves the others where they are.
var (
	Locks = state.Table{
		Noun: "subscription: lock",
		States: []state.State{
			{Name: "following", Begin: true, Rests: true, Means: "edits of its offers reach it (P6)", Out: "steelyard subscription set locks it"},
			{Name: "locked", Rests: true, Means: "it has values of its own, and sync leaves it alone (P8)", Out: "steelyard subscription unlock, switch"},
		},
		Moves: []state.Move{
			{From: []string{"following"}, To: []string{"locked"}, By: "a value of its own was set"},
			{From: []string{"locked"}, To: []string{"following"}, By: "it was unlocked, got another plan, or was detached from its plan"},
		},
	}
	Syncs = state.Table{
		Noun: "subscription: sync",
		States: []state.State{
			{Name: "synced", Begin: true, Rests: true, Means: "all that is promised can be provided, or somebody took less (P15)", Out: "steelyard subscription sync looks again"},
			{Name: "unsynced", Begin: true, Rests: true, Means: "something that is promised cannot be provided by its node (P9)", Out: "steelyard subscription take, or extend the node and sync (P17)"},
		},
		Moves: []state.Move{
			{From: []string{"synced"}, To: []string{"unsynced"}, By: "a plan, an add-on or the node changed (P13)"},
			{From: []string{"unsynced"}, To: []string{"synced"}, By: "the available values were taken (P15), or the node or the plan changed"},
		},
	}
	Suspensions = state.Table{
		Noun: "subscription: activity",
		States: []state.State{
			{Name: "active", Begin: true, Rests: true, Means: "no reason speaks against it", Out: "steelyard subscription suspend"},
			{Name: "suspended", Begin: true, Rests: true, Means: "at least one reason holds: manual, expired, overuse, reseller (P10)", Out: "steelyard subscription unsuspend, or a later date"},
		},
		Moves: []state.Move{
			{From: []string{"active"}, To: []string{"suspended"}, By: "the first reason came"},
			{From: []string{"suspended"}, To: []string{"active"}, By: "the last reason went"},
		},
	}
)
