package wall

import (
	"encoding/json"
	"strconv"
	"time"
)

// The fields of openai-go's ImageGenerateParams and ImageEditParams.
var imageFields = fields(`prompt model background complexity frame_count frame_duration_ms image input_fidelity markup mask
	moderation n output_compression output_format partial_images quality response_format safety_identifier size stream
	style svg user`)

// pixel is a PNG of one pixel, in base64.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

type image struct {
	B64     string `json:"b64_json,omitempty"`
	URL     string `json:"url,omitempty"`
	Revised string `json:"revised_prompt,omitempty"`
}

// imageUsage is the usage of GPT image models.
type imageUsage struct {
	Input   int `json:"input_tokens"`
	Output  int `json:"output_tokens"`
	Total   int `json:"total_tokens"`
	Details struct {
		Text  int `json:"text_tokens"`
		Image int `json:"image_tokens"`
	} `json:"input_tokens_details"`
}

// pixelTokens is what an image costs here.
const pixelTokens = 272

func (x *exchange) drawImages() {
	n := 1
	if r := x.decode("n", "an integer", &n); r != nil {
		x.refuse(r)
		return
	}
	x.images(x.text("prompt"), x.text("response_format"), n, 0)
}

// editImages takes a form; its pictures are called image or image[].
func (x *exchange) editImages() {
	if x.form == nil {
		x.refuse(notMultipart())
		return
	}
	x.pictured(x.value("prompt"), len(x.form.File["image"])+len(x.form.File["image[]"]))
}

// varyImages takes a form with one picture, and no prompt.
func (x *exchange) varyImages() {
	switch {
	case x.form == nil:
		x.refuse(notMultipart())
	case x.value("prompt") != "":
		x.refuse(bad("unknown_parameter", "prompt", "Unknown parameter: 'prompt'."))
	default:
		x.pictured("a variation", len(x.form.File["image"]))
	}
}

// pictured answers a form that has pictures.
func (x *exchange) pictured(prompt string, given int) {
	if given == 0 {
		x.refuse(missing("image"))
		return
	}
	n := 1
	if text := x.value("n"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			x.refuse(wrongType("n", "an integer"))
			return
		}
	}
	x.images(prompt, x.value("response_format"), n, given)
}

// images answers all of them: one pixel for each that was asked for.
func (x *exchange) images(prompt, format string, n, given int) {
	if x.model == "" {
		x.model = ImageModel // the model may be left out here
	}
	r := x.knows()
	switch {
	case r != nil:
	case prompt == "":
		r = missing("prompt")
	case n < 1 || n > 10:
		r = bad("integer_out_of_range", "n", "Invalid 'n': expected a value between 1 and 10, but got %d instead.", n)
	case format != "" && format != "url" && format != "b64_json":
		r = bad("invalid_value", "response_format", "Invalid value: '%s'. Supported values are: 'b64_json' and 'url'.", format)
	}
	if r != nil {
		x.refuse(r)
		return
	}
	sum := imageUsage{Input: tokens(len(prompt)) + given*pixelTokens, Output: n * pixelTokens}
	sum.Total, sum.Details.Text, sum.Details.Image = sum.Input+sum.Output, tokens(len(prompt)), given*pixelTokens
	if x.stream {
		x.streamImages(sum, given)
		return
	}
	one := image{B64: pixel, Revised: prompt}
	if given > 0 {
		one.Revised = prompt + " (of " + itoa(given) + " images)"
	}
	if format == "url" {
		one.B64, one.URL = "", "https://example.com/wall.png"
	}
	answer := struct {
		Created int64                      `json:"created"`
		Data    []image                    `json:"data"`
		Format  string                     `json:"output_format"`
		Quality string                     `json:"quality"`
		Size    string                     `json:"size"`
		Usage   imageUsage                 `json:"usage"`
		Echo    map[string]json.RawMessage `json:"x_echo,omitempty"`
	}{time.Now().Unix(), nil, "png", "low", "1024x1024", sum, x.echo(imageFields)}
	for range n {
		answer.Data = append(answer.Data, one)
	}
	x.json(answer)
}

// streamImages sends openai-go's ImageGenPartialImageEvent and ImageGenCompletedEvent, or those of an edit:
// one that is half done, and the image.
func (x *exchange) streamImages(sum imageUsage, given int) {
	type event struct {
		Type    string      `json:"type"`
		B64     string      `json:"b64_json"`
		Created int64       `json:"created_at"`
		Format  string      `json:"output_format"`
		Quality string      `json:"quality"`
		Size    string      `json:"size"`
		Back    string      `json:"background"`
		Index   *int        `json:"partial_image_index,omitempty"`
		Usage   *imageUsage `json:"usage,omitempty"`
	}
	family := "image_generation"
	if given > 0 {
		family = "image_edit"
	}
	first := 0
	e := event{Type: family + ".partial_image", B64: pixel, Created: time.Now().Unix(), Format: "png", Quality: "low", Size: "1024x1024", Back: "opaque", Index: &first}
	x.open()
	if !x.event(named(e.Type, e)) {
		return
	}
	e.Type, e.Index, e.Usage = family+".completed", nil, &sum
	x.last(named(e.Type, e))
}

// named is the frame of an event that has a name.
func named(name string, v any) []byte {
	b := append([]byte("event: "), name...)
	b = append(append(b, "\ndata: "...), encode(v)...)
	return append(b, "\n\n"...)
}
