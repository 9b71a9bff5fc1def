package operation

import "github.com/steelyard/steelyard/controller/core/state"

// Operations is the life of an operation.
var Operations = state.Table{
	Noun: "operation",
	States: []state.State{
		{
			Name: Running, Begin: true, Means: "its steps are taken, one after another", Owner: "the leading controller, and the hand of the current step",
			Until: "the step's deadline, and the operation's own", Out: "steelyard operation cancel",
		},
		{
			Name: Held, Means: "a step failed or took too long; a task asks a person to decide", Owner: "the department in the task",
			Until: "72 hours; then it fails", Out: "steelyard operation retry, skip (with a reason) or cancel",
		},
		{Name: Done, Rests: true, Means: "every step is done, was skipped by a person, or had nothing to do"},
		{Name: Failed, Rests: true, Means: "it ended without its purpose; a task says what to do"},
		{Name: Canceled, Rests: true, Means: "a person, or the operation that took its place, ended it"},
	},
	Moves: []state.Move{
		{From: []string{Running}, To: []string{Done}, By: "the last step is confirmed"},
		{From: []string{Running}, To: []string{Held}, By: "a step failed and is not tried again, or the time is over"},
		{From: []string{Running}, To: []string{Failed}, By: "diagnostics, an inspection or a power action failed, or the time is over"},
		{From: []string{Running, Held}, To: []string{Canceled}, By: "canceled, once what runs has stopped"},
		{From: []string{Held}, To: []string{Running}, By: "a person decided: retry or skip"},
		{From: []string{Held}, To: []string{Failed}, By: "nobody decided in time"},
	},
}
