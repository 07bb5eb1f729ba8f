# The default pipeline, in full: what runs when a file declares none.
#
# It is also where a step's defaults are written: an attribute that a step of
# yours leaves out is what the step of the same kind says here.

pipeline "default" {
  # Renews health, keys and model lists in the background; requests only read.
  step "health" {
    run             = plugin.prober.models
    timeout         = "10s" # of one probe
    interval        = "5m"  # how long health holds
    key_interval    = "30m" # how long a key's validity holds
    models_interval = "1h"  # how long a list of models holds
    specs_interval  = "2h"  # how long it holds what a list says of its models: contexts, longest answers,
    prices_interval = "10m" # and prices
    at_once         = 8     # channels probed at the same time

    recovery_interval = "5s" # between probes of a channel that is in trouble
  }

  # Answers from the cache what was answered before.
  step "answers" {
    run         = plugin.cache.local
    timeout     = "50ms"
    on_error    = "skip"
    ttl         = "0s"    # 0: no answer is cached until someone asks for it
    max_answer  = "1MiB"  # a longer one is not kept
    max_answers = 100000  # that the router knows of; about 100 bytes each
    front       = "16MiB" # of hot answers stay in the router's own memory

    # Equal requests that are in flight at the same time share one upstream call.
    # A request that does not say its temperature has OpenAI's default, 1.
    dedupe                 = false
    dedupe_max_temperature = 0      # above it answers should differ, and no call is shared
    dedupe_n               = false  # nor where a request wants several choices
    dedupe_buffer          = "4MiB" # of an answer, for those who come later or take it slowly
  }

  # Chooses the targets and their order.
  step "choose" {
    run      = plugin.selector.smart
    timeout  = "20ms"
    on_error = "stale" # the last plan, else the declared order
    fresh    = "5s"    # how long a plan serves as it is,
    stale    = "60s"   # and then while it is renewed
    headers  = []      # that the selector may read

    shadow_sample = 0.01 # of the requests under a lease that a shadow is asked about, too
  }

  # Asks whether targets can be reached that were never seen up.
  step "precheck" {
    run      = plugin.prechecker.race
    timeout  = "2s"
    on_error = "stale"
    top      = 3 # targets asked about at the same time
    fresh    = "1m"
    stale    = "0s"
  }

  # Sends the request. Each channel's provider names the adapter.
  step "call" {
    run          = provider.adapter
    timeout      = "5s"  # of the adapter's answer, not of the model's
    max_attempts = 6     # over all targets of a request
    patience     = "5s"  # the longest Retry-After waited out before a fallback
    hold_headers = "15s" # how long a stream's headers wait for its content
    whole_answer = "1MiB"
    error_body   = "1KiB"
    ask_usage    = false # of chat streams whose clients don't: some servers know no stream_options

    # What is done about a stream that breaks off after its first content.
    # "verify" asks the next target for the same and goes on once that has
    # repeated, word for word, what the client has: another channel of the model
    # first, the same once more, then the fallback models. "continue" gives the
    # beginning to a channel of the same model that accepts_prefill. What can't
    # be rescued ends with an error, as all does with "off".
    rescue         = "off"
    rescue_timeout = "10s" # for the next target to get as far as the client is
  }
}
