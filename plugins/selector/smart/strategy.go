package smart

// strategies are the built-in weights, by name.
var strategies = map[string]shares{
	"cost_first":        {byCost: .4, byParams: .25, byContext: .2, bySpeed: .15},
	"free_first":        {byFree: .5, byCost: .3, bySpeed: .15, byReliability: .05},
	"local_first":       {byLocal: .6, bySpeed: .25, byCost: .1, byReliability: .05},
	"cost_optimized":    {byCost: .7, byReliability: .2, bySpeed: .1},
	"speed_optimized":   {bySpeed: .4, byCost: .3, byParams: .2, byContext: .1},
	"quality_optimized": {byParams: .4, byContext: .3, byQuality: .2, byCost: .1},
	"balanced":          {byCost: .3, byParams: .25, byContext: .2, bySpeed: .15, byReliability: .1},
}
