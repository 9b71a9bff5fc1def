package order

import "github.com/steelyard/steelyard/controller/core/state"

// Orders is the life of an order.
var Orders = state.Table{
	Noun: "order",
	States: []state.State{
		{Name: New, Begin: true, Means: "placed, not matched yet", Owner: "the leading controller", Until: "at once", Out: "steelyard order cancel"},
		{
			Name: Waiting, Means: "there is no server that it may take; a build task says so", Owner: "the department of the module",
			Until: "a server that fits becomes available", Out: "steelyard order cancel; make a server available",
		},
		{
			Name: Held, Means: "the closest server is held for it; a build task lists the parts to change", Owner: "the department of the module",
			Until: "72 hours without work on the task (B27)", Out: "steelyard order cancel; close the build task",
		},
		{
			Name: Preparing, Means: "its server is being installed", Owner: "the install operation",
			Until: "the end of that operation, which has a deadline", Out: "steelyard order cancel, service delete; decide about the operation when it is held",
		},
		{
			Name: Failed, Means: "it cannot be prepared, or that failed; a task says why. A server that was being prepared stays with it", Owner: "the department of the module",
			Until: "a person decides; the task stays open", Out: "steelyard order cancel, service delete",
		},
		{Name: Fulfilled, Rests: true, Means: "its service was active once; from then on the service tells the story"},
		{Name: Canceled, Rests: true, Means: "withdrawn, or its service was deleted before it was active"},
	},
	Moves: []state.Move{
		{From: []string{New}, To: []string{Waiting}, By: "no server may be taken (B9)"},
		{From: []string{New, Waiting}, To: []string{Held}, By: "the closest server is held (B27)"},
		{From: []string{New, Waiting, Held}, To: []string{Preparing}, By: "a server fits exactly (B26, B27)"},
		{From: []string{Held}, To: []string{Waiting}, By: "nobody works on the rebuild, it was called off, or the server is lost"},
		{From: []string{New, Waiting, Held}, To: []string{Failed}, By: "it can never be installed (B43)"},
		{From: []string{Preparing}, To: []string{Fulfilled}, By: "the system is installed and confirmed (B1)"},
		{From: []string{Preparing}, To: []string{Failed}, By: "the install operation failed or was canceled (B43)"},
		{From: []string{New, Waiting, Held, Preparing, Failed}, To: []string{Canceled}, By: "canceled, or its service is deleted"},
	},
}

// Services is the life of a service.
var Services = state.Table{
	Noun: "service",
	States: []state.State{
		{
			Name: ServiceOrdered, Begin: true, Means: "its order has no server yet", Owner: "its order", Until: "the order's own state ends", Out: "steelyard order cancel",
		},
		{
			Name: ServicePreparing, Means: "its server is being installed", Owner: "the install operation", Until: "the deadline of that operation",
			Out: "steelyard order cancel, service delete",
		},
		{Name: ServiceActive, Rests: true, Means: "the customer has it; its server is kept on (B28)", Out: "steelyard service stop, rescue, delete, power"},
		{
			Name: ServiceStopping, Means: "its switch ports are being shut (B31)", Owner: "the stop operation", Until: "the deadline of that operation",
			Out: "steelyard operation cancel, service delete",
		},
		{Name: ServiceStopped, Rests: true, Means: "its switch ports are shut; its server is kept off (B29)", Out: "steelyard service resume, delete"},
		{
			Name: ServiceResuming, Means: "its switch ports are being enabled, its server turned on (B32a)", Owner: "the resume operation", Until: "the deadline of that operation",
			Out: "steelyard operation cancel, service delete",
		},
		{
			Name: ServiceRescuing, Means: "its server is being started from memory, to let the customer in", Owner: "the rescue operation", Until: "the deadline of that operation",
			Out: "steelyard operation cancel, service delete",
		},
		{Name: ServiceRescue, Rests: true, Means: "the customer is let in by SSH to repair his system; the power is left as it is", Out: "steelyard service rescue --end, resume, stop, delete"},
		{
			Name: ServiceDeleting, Means: "its server is being taken back (B33 to B37)", Owner: "the delete operation", Until: "the deadline of that operation",
			Out: "steelyard operation cancel, retry",
		},
		{
			Name: ServiceNeedsAttention, Means: "an operation for it is held, failed or was canceled, or its order failed; the message says which", Owner: "the department in the task",
			Until: "a person decides; a held operation fails after 72 hours", Out: "decide about the operation; steelyard service stop, resume, delete; order cancel",
		},
		{Name: ServiceDeleted, Rests: true, Means: "its server is nobody's, and is being cleaned or was (B38 to B41)"},
		{Name: ServiceCanceled, Rests: true, Means: "it never became active, and its order is over"},
	},
	Moves: []state.Move{
		{From: []string{ServiceOrdered}, To: []string{ServicePreparing}, By: "its order got a server (B26)"},
		{From: []string{ServiceOrdered}, To: []string{ServiceNeedsAttention}, By: "it can never be installed (B43)"},
		{From: []string{ServicePreparing, ServiceNeedsAttention}, To: []string{ServiceActive}, By: "the system is installed and confirmed (B1)"},
		{From: []string{ServicePreparing}, To: []string{ServiceNeedsAttention}, By: "the install operation is held or failed (B43)"},
		{From: []string{ServiceOrdered, ServicePreparing, ServiceNeedsAttention}, To: []string{ServiceCanceled}, By: "its order is canceled"},
		{From: []string{ServiceActive, ServiceRescue, ServiceNeedsAttention}, To: []string{ServiceStopping}, By: "stop is asked for (B31)"},
		{From: []string{ServiceStopping, ServiceNeedsAttention}, To: []string{ServiceStopped}, By: "every port is shut"},
		{From: []string{ServiceStopped, ServiceNeedsAttention}, To: []string{ServiceResuming}, By: "resume is asked for (B32a)"},
		{From: []string{ServiceActive}, To: []string{ServiceRescuing}, By: "a rescue is asked for"},
		{From: []string{ServiceRescuing, ServiceNeedsAttention}, To: []string{ServiceRescue}, By: "the customer is let in"},
		{From: []string{ServiceRescue}, To: []string{ServiceResuming}, By: "the end of the rescue is asked for"},
		{From: []string{ServiceRescue}, To: []string{ServiceActive}, By: "the installed system reports: somebody started it"},
		{From: []string{ServiceResuming, ServiceNeedsAttention}, To: []string{ServiceActive}, By: "ports and power are on"},
		{
			From: []string{ServicePreparing, ServiceActive, ServiceStopping, ServiceStopped, ServiceResuming, ServiceRescuing, ServiceRescue, ServiceNeedsAttention}, To: []string{ServiceDeleting},
			By: "delete is asked for (B33)",
		},
		{From: []string{ServiceDeleting, ServiceNeedsAttention}, To: []string{ServiceDeleted}, By: "the owner is removed (B37)"},
		{From: []string{ServiceStopping, ServiceResuming, ServiceRescuing, ServiceDeleting}, To: []string{ServiceNeedsAttention}, By: "its operation is held, failed or was canceled"},
	},
}
