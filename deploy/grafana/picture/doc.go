// Command picture draws the dashboard that Steelyard ships (deploy/grafana/dashboard.json) as an SVG file, with the figures that a Prometheus has at this moment: what an operator sees in Grafana,
// without one.
//
//	go run ./deploy/grafana/picture -prometheus http://127.0.0.1:9090 -minutes 30 > docs/dashboard.svg
//
// It asks the queries of the panels as they are, so a dashboard whose queries answer nothing has a picture that says so. It knows the three kinds of panels that ours has. It asks once, writes
// once and ends; any answer that it does not get is an error.
package main
