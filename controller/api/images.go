package api

import (
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/pkg/fault"
)

// uploadPause is how long an upload may send nothing.
const uploadPause = time.Minute

func (a *API) registerImages() {
	a.lister("images", "Operating system images", Image{})
	a.getter("images", "One image", Image{})
	name := func(n, doc string) *huma.Param {
		return &huma.Param{Name: n, In: "query", Required: true, Schema: text0, Description: doc}
	}
	without(a, uploadRoute, about{
		summary: "Upload an image; the body is its bytes", tag: "images", answer: Image{}, status: http.StatusCreated, creates: true,
		params: []*huma.Param{name("name", "Name of the image."), name("os_family", "linux or windows."), name("format", "Of the body: raw, raw.zst, raw.gz or qcow2.")},
	}, a.upload)
	without(a, "POST /v1/images/{id}/retire", about{summary: "Take an image out of what may be ordered", tag: "images", answer: Image{}}, func(c *call) (reply, error) {
		r, err := a.find(c, "images")
		if err != nil {
			return reply{}, err
		}
		if _, _, err := a.in.RetireImage(c.ctx(), c.actor(), r.id); err != nil {
			return reply{}, err
		}
		return a.shown(c, "images", r.id)
	})
}

// upload takes the bytes of an image. It may last as long as bytes come.
func (a *API) upload(c *call) (reply, error) {
	if a.opt.Images == nil {
		return reply{}, fault.Refused("this controller keeps no images")
	}
	q := c.r.URL.Query()
	meta := ImageMeta{Name: q.Get("name"), OSFamily: q.Get("os_family"), Format: q.Get("format"), Actor: c.actor().Name}
	img, err := a.opt.Images.Import(c.ctx(), &patient{body: c.r.Body, control: http.NewResponseController(c.w)}, meta)
	if err != nil {
		return reply{}, inQuery(err)
	}
	if o := c.state.once; o != nil {
		o.Digest = digestOf(c.r.Method, c.r.URL.RequestURI(), img.FileSHA256)
		if _, _, found, err := a.in.Recall(o); err != nil || found {
			return reply{stream: func() { a.replay(c) }}, nil
		}
	}
	_, err = a.in.AddImage(c.ctx(), c.actor(), img)
	return c.created("images", img.ID, &img, "", inQuery(err))
}

// inQuery says that the fields of an upload's errors are query parameters.
func inQuery(err error) error {
	if !fault.Is(err, fault.KindInvalid) {
		return err
	}
	return problemOf(err, "query")
}

// patient reads a body with a deadline for each part of it.
type patient struct {
	body    io.Reader
	control *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(uploadPause)) // refused by readers that have no connection
	_ = p.control.SetWriteDeadline(time.Now().Add(uploadPause + answerTime))
	return p.body.Read(b)
}
