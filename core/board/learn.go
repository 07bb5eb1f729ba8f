package board

import (
	"slices"
	"strings"
	"time"

	"github.com/smart-ai-router/smartrouter/sdk"
)

// goOn takes over what was known before of the parts that were not found out
// now.
func (h *Health) goOn(was *Health, now time.Time) {
	h.Learned = Learned{Health: now, Key: now, Models: now, Specs: now, Prices: now}
	if h.Until.IsZero() {
		h.State, h.Reason, h.Until, h.Learned.Health = was.State, was.Reason, was.Until, was.Learned.Health
	}
	if h.KeyUntil.IsZero() {
		h.Key, h.KeyUntil, h.Learned.Key = was.Key, was.KeyUntil, was.Learned.Key
	}
	if h.ModelsUntil.IsZero() {
		h.Listed, h.ModelsUntil, h.Learned.Models = false, was.ModelsUntil, was.Learned.Models
	}
	if !h.Listed {
		h.Listed, h.Models = was.Listed, was.Models
		h.SpecsUntil, h.Learned.Specs = was.SpecsUntil, was.Learned.Specs
		h.PricesUntil, h.Learned.Prices = was.PricesUntil, was.Learned.Prices
		return
	}
	// Some providers list their models in another order each time.
	h.Models = slices.SortedFunc(slices.Values(h.Models), func(a, b sdk.ModelInfo) int { return strings.Compare(a.ID, b.ID) })
	// A list without specs or prices leaves those of before, until their end.
	specs := h.SpecsUntil.IsZero() && now.Before(was.SpecsUntil)
	prices := h.PricesUntil.IsZero() && now.Before(was.PricesUntil)
	if specs {
		h.SpecsUntil, h.Learned.Specs = was.SpecsUntil, was.Learned.Specs
	}
	if prices {
		h.PricesUntil, h.Learned.Prices = was.PricesUntil, was.Learned.Prices
	}
	for i := range h.Models {
		m := &h.Models[i]
		at, found := slices.BinarySearchFunc(was.Models, m.ID, func(o sdk.ModelInfo, id string) int { return strings.Compare(o.ID, id) })
		if !found {
			continue
		}
		if specs {
			m.ContextTokens, m.OutputTokens = was.Models[at].ContextTokens, was.Models[at].OutputTokens
		}
		if prices {
			m.Price = was.Models[at].Price
		}
	}
}
