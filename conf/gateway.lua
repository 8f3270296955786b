-- The gateway in front of two sample services, which it plays itself on another listener.
--
-- A proxied route, its path rewritten, and the id of the request in the answer:
--   curl -i http://localhost:8080/users/7
-- With a key and a limit; without the key it is refused, and from the sixth in a minute on:
--   curl -i http://localhost:8080/orders
--   curl -i -H 'x-api-key: try-me' http://localhost:8080/orders
-- Changed on its way there and back:
--   curl -i http://localhost:8080/hello
-- Two services in one answer:
--   curl -i http://localhost:8080/dashboard/7
-- What nobody answers, and what has been counted:
--   curl -i http://localhost:8080/nowhere
--   curl -s http://127.0.0.1:8001/metrics

listen ":8080"
admin "127.0.0.1:8001"

use { { "request-id" }, { "access-log", format = "combined" }, { "metrics" } }

consumer "demo" { keys = { "try-me" }, groups = { "read" } }

-- ---------------------------------------------------------------------------------------------
-- What clients see.

upstream "users" { "http://127.0.0.1:8081" }
upstream "orders" { "http://127.0.0.1:8081", balance = "least_conn" }

route "GET /users/{id}" {
  upstream = "users",
  rewrite = "/samples/users/{id}",
  timeout = { connect = "500ms", response = "5s", total = "10s" },
}

route "GET /orders" {
  upstream = "orders",
  rewrite = "/samples/orders",
  plugins = {
    { "key-auth" },
    { "rate-limit", limit = 5, window = "1m", by = "consumer" },
  },
}

route "GET /hello" {
  upstream = "users",
  rewrite = "/samples/hello",
  plugins = {
    { "transform",
      set_headers = { ["x-team"] = "core" },
      set_query = { greeting = "Good evening" },
      response = { set_headers = { ["cache-control"] = "no-store" } } },
  },
}

route "GET /dashboard/{user}" {
  plugins = {
    { "aggregate", parts = {
      profile = { "http://users/samples/users/{user}", required = true },
      orders = { "http://orders/samples/orders?user={user}", timeout = "500ms", default = {} },
    } },
  },
}

-- ---------------------------------------------------------------------------------------------
-- The sample services.

listen "127.0.0.1:8081"

local function is_sample(req) return req.listener == "127.0.0.1:8081" end

group {
  prefix = "/samples",
  routes = function()
    route "GET /users/{id}" {
      when = is_sample,
      plugins = { { "mock", json = { id = "{param:id}", name = "Ada" } } },
    }
    route "GET /orders" {
      when = is_sample,
      plugins = { { "mock", json = { { id = 1, item = "lamp" }, { id = 2, item = "desk" } } } },
    }
    route "GET /hello" {
      when = is_sample,
      plugins = { { "mock", body = "{query:greeting}, {header:x-team} team!\n" } },
    }
  end,
}
