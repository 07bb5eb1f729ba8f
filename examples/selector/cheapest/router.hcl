# The cheapest model that a request fits, within a budget for each request.
#
#   go build -o cheapest . && smartrouter serve

plugin "selector" "cheapest" {
  command = ["./cheapest"]
  config {
    budget        = 0.10 # US dollars
    answer_tokens = 1000
  }
}

# Three simulated models with prices; how much they take, the provider says.
channel "demo" {
  provider = provider.demo

  price "demo-fast" {
    input  = 0.10
    output = 0.40
  }
  price "demo" {
    input  = 1.00
    output = 4.00
  }
  price "demo-large" {
    input  = 3.00
    output = 15.00
  }
}

model "best" {
  any = ["demo-large", "demo", "demo-fast"]
}

pipeline "default" {
  step "health" { run = plugin.prober.models }
  step "choose" {
    run      = plugin.selector.cheapest
    timeout  = "100ms"
    on_error = "reject" # nothing fits: nothing is spent
  }
  step "precheck" { run = plugin.prechecker.race }
  step "call" { run = provider.adapter }
}
