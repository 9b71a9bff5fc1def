package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/steelyard/steelyard/pkg/fault"
)

// maxConsoleMessage bounds one message of a console.
const maxConsoleMessage = 64 << 10

// Console opens the WebSocket of a console. A refusal is a [Problem].
func (c *Client) Console(ctx context.Context, path string, query url.Values) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := c.newRequest(ctx, request{method: http.MethodGet, path: path, query: query}, nil)
	if err != nil {
		return nil, err
	}
	dial := *c.http
	socket, res, err := websocket.Dial(ctx, strings.Replace(req.URL.String(), "http", "ws", 1), &websocket.DialOptions{HTTPClient: &dial, HTTPHeader: req.Header})
	switch {
	case err == nil:
		socket.SetReadLimit(maxConsoleMessage)
		return socket, nil
	case res != nil && res.StatusCode >= 300:
		if _, problem := read(res); problem != nil {
			return nil, problem
		}
		return nil, fault.Unavailable("open the console: %w", err)
	case res != nil:
		return nil, fault.Unavailable("the console was not opened as a WebSocket; does a proxy stand before the controller? %w", err)
	}
	return nil, unreachable(c.base.String(), err)
}

// ConsoleWrite is how long the controller may take for one message.
const ConsoleWrite = 30 * time.Second
