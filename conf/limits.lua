-- What a gateway that faces the internet admits: sizes, times, connections and rates.

listen "127.0.0.1:8080"
upstream "api" { "http://127.0.0.1:9000" }

-- Behind a load balancer the client's address is in X-Forwarded-For, if the balancer wrote it.
trusted_proxies { "10.0.0.0/8" }

limits {
  head = "16k",
  body = "1m",
  head_timeout = "5s",
  body_timeout = "10s",
  idle_timeout = "30s",
  connections_per_address = 100,
  requests = 10000,
}

group {
  upstream = "api",
  plugins = {
    -- Everybody together, and each address by itself: what one refuses is charged to neither.
    { "rate-limit", limits = {
      { name = "all", limit = 1000, window = "1s", by = function() return "all" end },
      { name = "address", limit = 60, window = "1m", algorithm = "sliding" },
    } },
  },
  routes = function()
    route "GET /public/{path*}" {}
    route "/private/{path*}" {
      plugins = {
        { "ip-filter", allow = { "10.0.0.0/8", "192.0.2.0/24" } },
        { "rate-limit", limit = 600, window = "1m", burst = 50, by = "header:x-tenant" },
      },
    }
    route "POST /uploads" { body_limit = "100m" }
    -- A search costs as much as ten other requests.
    route "GET /search" {
      plugins = {
        { "rate-limit", name = "search", limit = 600, window = "1h", cost = 10 },
      },
    }
  end,
}
