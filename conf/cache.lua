-- What the gateway keeps of the upstream's answers, so that it need not be asked again.

listen "127.0.0.1:8080"
admin "127.0.0.1:8001" -- POST /cache/purge, as `moongate purge` does
memory { cache = "64m" }
upstream "shop" { "http://127.0.0.1:9000" }
consumer "mobile" { keys = { "try-me" } }

group {
  upstream = "shop",
  routes = function()
    -- What the shop says of its pages itself: Cache-Control, Expires, ETag, Vary. Where it fails,
    -- visitors get what was there an hour ago; a page that has just become stale is given at once
    -- and fetched anew behind the visitor's back.
    route "/pages/{path*}" {
      plugins = { { "cache", grace = "30s", stale_if_error = "1h" } },
    }
    -- A catalogue that says nothing of how long it holds. `utm_source` and its like make no other
    -- page; what is not there is asked for again after ten seconds.
    route "GET /catalogue/{path*}" {
      plugins = {
        { "cache", ttl = "5m", statuses = { ["404"] = "10s" },
          key = { query = { "page", "sort" }, headers = { "x-region" } },
          bypass = { headers = { ["x-preview"] = true }, cookies = { basket = true } } },
      },
    }
    -- Each consumer has answers of its own, for a minute.
    route "GET /account/{path*}" {
      plugins = {
        "key-auth",
        { "cache", ttl = "1m", key = { consumer = true }, obey_clients = false },
      },
    }
  end,
}
