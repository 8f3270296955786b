-- Who may call what, as others decide: the provider of opaque tokens, and a service of one's own.
--
-- To try, with `moongate run -c conf/decisions.lua`:
--   curl -i -H 'authorization: Bearer a-token' http://localhost:8080/orders
--   curl -i http://localhost:8080/orders
--   curl -i -X DELETE -H 'authorization: Bearer a-token' http://localhost:8080/orders
--   curl -i -H 'authorization: Basic YWRhOg==' http://localhost:8080/reports
--   curl -i http://localhost:8080/reports

listen "127.0.0.1:8080"
upstream "api" { "http://127.0.0.1:8081" }
-- An upstream, for its pool, its TLS and its health checks; a URL would do.
upstream "provider" { "http://127.0.0.1:8081" }

consumer "mobile" { groups = { "apps" } }

-- In earnest the secret comes from elsewhere: client_secret = env "GATEWAY_SECRET".
local function token(more)
  local options = { "oauth2-introspection",
    endpoint = "http://provider/samples/introspect",
    client_id = "gateway", client_secret = "secret",
    required = { "token_type" }, cache = "30s", consumer_claim = "client_id",
    claim_headers = { ["x-user"] = "sub" }, hide = true,
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

route "GET /orders" { upstream = "api", rewrite = "/samples/orders", plugins = {
  token { scopes = { "read" } },
  { "rate-limit", limit = 100, window = "1m", by = "claim:sub" },
} }
route "DELETE /orders" { upstream = "api", rewrite = "/samples/orders", plugins = {
  token { scopes = { "write" } },
} }

-- Who logs in is a matter of the service; for ten seconds it is not asked again about the same.
route "GET /reports" { upstream = "api", rewrite = "/samples/reports", plugins = {
  { "forward-auth", url = "http://provider/samples/decide",
    upstream_headers = { "x-user" }, cache = "10s", cache_by = { "header:authorization" } },
} }

-- ---------------------------------------------------------------------------------------------
-- The sample services.

listen "127.0.0.1:8081"

local function is_sample(req) return req.listener == "127.0.0.1:8081" end

group {
  prefix = "/samples",
  routes = function()
    -- A provider that takes every token for Ada's.
    route "POST /introspect" {
      when = is_sample,
      plugins = { { "mock", json = { active = true, token_type = "Bearer", scope = "read",
        client_id = "mobile", sub = "ada" } } },
    }
    -- A service that lets in who says anything at all.
    route "GET /decide" {
      when = is_sample,
      headers = { authorization = true },
      plugins = { { "mock", status = 204, headers = { ["x-user"] = "ada" } } },
    }
    route "GET /decide" {
      when = is_sample,
      plugins = { { "mock", status = 401, body = "Who are you?\n",
        headers = { ["www-authenticate"] = 'Basic realm="reports"' } } },
    }
    route "GET /reports" {
      when = is_sample,
      plugins = { { "mock", body = "Reports of {header:x-user}.\n" } },
    }
    route "GET /orders" {
      when = is_sample,
      plugins = { { "mock", body = "Orders of {header:x-user}, by {header:x-consumer-name}.\n" } },
    }
  end,
}
