package wall

import (
	"slices"
	"strings"
)

// model is an entry of https://developers.openai.com/api/reference/resources/models.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type list[T any] struct {
	Object string `json:"object"`
	Data   []T    `json:"data"`
}

func (w *Wall) model(name string) model {
	return model{ID: name, Object: "model", Created: w.began, OwnedBy: "wall"}
}

func (x *exchange) listModels() {
	all := list[model]{Object: "list", Data: []model{}}
	for _, name := range x.wall.models {
		all.Data = append(all.Data, x.wall.model(name))
	}
	x.json(all)
}

func (x *exchange) showModel() {
	name := strings.TrimPrefix(x.request.URL.Path, "/v1/models/")
	if !slices.Contains(x.wall.models, name) {
		r := unknownModel(name)
		r.param = "model" // only here the API names it
		x.refuse(r)
		return
	}
	x.json(x.wall.model(name))
}
