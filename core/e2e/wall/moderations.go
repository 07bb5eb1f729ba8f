package wall

import (
	"encoding/json"
	"strings"
)

// The fields of openai-go's ModerationNewParams.
var moderationFields = fields("input model")

var moderationCategories = strings.Fields(`harassment harassment/threatening hate hate/threatening illicit illicit/violent
	self-harm self-harm/instructions self-harm/intent sexual sexual/minors violence violence/graphic`)

type moderation struct {
	Flagged    bool                `json:"flagged"`
	Categories map[string]bool     `json:"categories"`
	Scores     map[string]float64  `json:"category_scores"`
	Applied    map[string][]string `json:"category_applied_input_types"`
}

// moderate flags texts that speak of killing as violence.
func (x *exchange) moderate() {
	if !x.has("input") {
		x.refuse(missing("input"))
		return
	}
	if x.model == "" {
		x.model = ModerationModel // the model may be left out here
	}
	if r := x.knows(); r != nil {
		x.refuse(r)
		return
	}
	texts, r := x.strings("input")
	if r != nil {
		c, ok := readContent(x.fields["input"])
		if !ok {
			x.refuse(r)
			return
		}
		texts = []string{c.text}
	}
	results := make([]moderation, len(texts))
	for i, text := range texts {
		m := moderation{
			Flagged:    strings.Contains(strings.ToLower(text), "kill"),
			Categories: map[string]bool{}, Scores: map[string]float64{}, Applied: map[string][]string{},
		}
		for _, category := range moderationCategories {
			hit := m.Flagged && category == "violence"
			m.Categories[category], m.Scores[category], m.Applied[category] = hit, 0.0001, []string{}
			if hit {
				m.Scores[category], m.Applied[category] = 0.98, []string{"text"}
			}
		}
		results[i] = m
	}
	x.json(struct {
		ID      string                     `json:"id"`
		Model   string                     `json:"model"`
		Results []moderation               `json:"results"`
		Echo    map[string]json.RawMessage `json:"x_echo,omitempty"`
	}{x.id("modr-"), x.model, results, x.echo(moderationFields)})
}
