-- Who may call what, as another service decides: a provider that knows the tokens it has issued.
--
-- To try, with `moongate run -c conf/decisions.lua`:
--   curl -i -H 'authorization: Bearer a-token' http://localhost:8080/orders
--   curl -i http://localhost:8080/orders
--   curl -i -X DELETE -H 'authorization: Bearer a-token' http://localhost:8080/orders

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
    route "GET /orders" {
      when = is_sample,
      plugins = { { "mock", body = "Orders of {header:x-user}, by {header:x-consumer-name}.\n" } },
    }
  end,
}
