-- What else keeps a service upright: how many at once, how fast, how large, how much a month, and
-- from whom.

listen "127.0.0.1:8080"
upstream "api" { "http://127.0.0.1:9000" }
store { path = "state" } -- where quotas survive a restart
consumer "mobile" { keys = { "try-me" } }

-- When the loop is 20 ms late for half a second, what matters least is refused; at 200 ms all but
-- what is critical.
shed { lag = "20ms", full = "200ms" }

group {
  upstream = "api",
  plugins = {
    { "bot-filter", deny = { "masscan", "zgrab", "python-requests/1." } },
    { "size-limit", target = "2k", headers = "8k", body = "256k" },
  },
  routes = function()
    -- Reports are slow: three at once for each address, twenty for all.
    route "GET /reports/{name}" {
      criticality = "low",
      plugins = {
        { "concurrency", name = "all reports", limit = 20, by = "route", status = 503 },
        { "concurrency", name = "reports", limit = 3, by = "address" },
      },
    }
    -- A thousand maps a month, of the calendar in Berlin, and at most 50 MB of tiles in any day.
    route "GET /maps/{path*}" {
      plugins = {
        "key-auth",
        { "quota", name = "maps", limit = 1000, timezone = "Europe/Berlin" },
        { "quota", name = "bytes", limit = 50000000, kind = "rolling", period = "1d",
          charge = "response", headers = "none",
          cost = function(_, res) return res.content_length or 10000 end },
      },
    }
    -- What lies behind takes one order each 50 ms; up to ten of them wait for their turn.
    route "POST /orders" {
      criticality = "critical",
      plugins = { { "spike-arrest", limit = 20, window = "1s", wait = "500ms" } },
    }
    -- Forms that browsers send.
    route "/account/{path*}" {
      plugins = { { "csrf", origins = { "https://app.example.com" } } },
    }
  end,
}
