package batch

import (
	"net/http"
	"time"

	"github.com/smart-ai-router/smartrouter/core/wire"
)

// Status of a batch, in OpenAI's words.
type Status string

// The statuses. The last four are final.
const (
	Validating Status = "validating"
	InProgress Status = "in_progress"
	Finalizing Status = "finalizing"
	Cancelling Status = "cancelling"
	Failed     Status = "failed"
	Completed  Status = "completed"
	Expired    Status = "expired"
	Cancelled  Status = "cancelled"
)

// Statuses in the order in which a batch may go through them.
var Statuses = []Status{Validating, InProgress, Cancelling, Finalizing, Failed, Completed, Expired, Cancelled}

// Final reports whether nothing follows.
func (s Status) Final() bool {
	return s == Failed || s == Completed || s == Expired || s == Cancelled
}

// Batch is one as its owner sees it. Times are Unix seconds.
type Batch struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Endpoint         string            `json:"endpoint"`
	Errors           *Errors           `json:"errors"`
	InputFileID      string            `json:"input_file_id"`
	CompletionWindow string            `json:"completion_window"`
	Status           Status            `json:"status"`
	OutputFileID     *string           `json:"output_file_id"`
	ErrorFileID      *string           `json:"error_file_id"`
	CreatedAt        int64             `json:"created_at"`
	InProgressAt     *int64            `json:"in_progress_at"`
	ExpiresAt        int64             `json:"expires_at"`
	FinalizingAt     *int64            `json:"finalizing_at"`
	CompletedAt      *int64            `json:"completed_at"`
	FailedAt         *int64            `json:"failed_at"`
	ExpiredAt        *int64            `json:"expired_at"`
	CancellingAt     *int64            `json:"cancelling_at"`
	CancelledAt      *int64            `json:"cancelled_at"`
	RequestCounts    Counts            `json:"request_counts"`
	Usage            Usage             `json:"usage"`
	Metadata         map[string]string `json:"metadata"`
}

// Counts of a batch's lines. Failed ones are those that the error file has,
// those that a cancelled or expired batch did not come to included.
type Counts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

// Usage is the sum over a batch's answers, in tokens.
type Usage struct {
	Input        int64         `json:"input_tokens"`
	InputDetails InputDetails  `json:"input_tokens_details"`
	Output       int64         `json:"output_tokens"`
	OutputDetail OutputDetails `json:"output_tokens_details"`
	Total        int64         `json:"total_tokens"`
}

// InputDetails are parts of the input.
type InputDetails struct {
	Cached int64 `json:"cached_tokens"`
}

// OutputDetails are parts of the output.
type OutputDetails struct {
	Reasoning int64 `json:"reasoning_tokens"`
}

func (u *Usage) add(w *wire.Usage) {
	u.Input += w.Input
	u.Output += w.Output
	u.InputDetails.Cached += w.Cached
	u.OutputDetail.Reasoning += w.Reasoning
	u.Total = u.Input + u.Output
}

// Errors are why a batch failed.
type Errors struct {
	Object string  `json:"object"`
	Data   []Error `json:"data"`
}

// Error is a mistake in an input file.
type Error struct {
	Code    string `json:"code"`
	Line    int64  `json:"line,omitempty"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
}

// File is one as its owner sees it. Times are Unix seconds.
type File struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     int64  `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	ExpiresAt int64  `json:"expires_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	// Status is deprecated, but clients were seen to wait for it.
	Status string `json:"status"`
}

// The purposes of files.
const (
	PurposeBatch  = "batch"
	PurposeOutput = "batch_output"
)

// Page is a part of a list.
type Page[T any] struct {
	Object  string `json:"object"`
	Data    []T    `json:"data"`
	FirstID string `json:"first_id,omitempty"`
	LastID  string `json:"last_id,omitempty"`
	HasMore bool   `json:"has_more"`
}

// page cuts a list after an id; after is empty for the first page. It is not
// ok where the list has no such id.
func page[T any](all []T, id func(T) string, after string, limit int) (p Page[T], ok bool) {
	if after != "" {
		at := -1
		for i, t := range all {
			if id(t) == after {
				at = i
				break
			}
		}
		if at < 0 {
			return p, false
		}
		all = all[at+1:]
	}
	p = Page[T]{Object: "list", Data: []T{}}
	if p.HasMore = len(all) > limit; p.HasMore {
		all = all[:limit]
	}
	if len(all) > 0 {
		p.Data, p.FirstID, p.LastID = all, id(all[0]), id(all[len(all)-1])
	}
	return p, true
}

func invalid(param, code, message string) *wire.Error {
	return &wire.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

func missing(what, id string) *wire.Error {
	return &wire.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "not_found", Param: "id",
		Message: "No such " + what + ": " + id + ". This router keeps only what it took itself, each for its own caller.",
	}
}

// unix is a time in seconds; nil: it has not come.
func unix(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.Unix()
	return &n
}
