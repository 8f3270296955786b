-- Who may call what, by JSON Web Tokens: keys of an OpenID provider, keys of one's own, scopes.
--
-- The provider's keys are fetched when the first token comes, and kept as long as it says. While it
-- is away, the keys that are known serve on for a day.

listen "127.0.0.1:8080"
upstream "api" { "http://127.0.0.1:9000" }

-- A service that is known by the tokens it shows; others are refused.
consumer "mobile" { groups = { "apps" } }

local function tokens(more)
  local options = { "jwt",
    jwks = "https://id.example.com/jwks", issuer = "https://id.example.com",
    audience = "https://api.example.com", type = "at+jwt", interval = "30s",
    claim_headers = { ["x-user"] = "sub" },
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

group {
  upstream = "api",
  routes = function()
    route "GET /orders" { plugins = {
      tokens { scopes = { "read" } },
      { "rate-limit", limit = 100, window = "1m", by = "claim:sub" },
    } }
    route "POST /orders" { plugins = { tokens { scopes = { "read", "write" } } } }
    route "/machines/{path*}" { plugins = { tokens { consumer_claim = "client_id" } } }
  end,
}

-- A partner signs its tokens itself, as iss "partner"; its next key takes the first one's place
-- while both count. What it may do in an hour its plan says.
plan "partners" { limit = 10000, window = "1h" }
consumer "partner" { plan = "partners", jwt_keys = {
  { kid = "1", secret = "the first secret of a partner, 32 bytes",
    expires = "2027-01-31T00:00:00Z" },
  { kid = "2", secret = "the next secret of a partner, 32 bytes" },
} }
route "/partners/{path*}" {
  upstream = "api",
  plugins = { { "jwt", consumer_keys = true, audience = "https://api.example.com" },
    { "rate-limit", limit = 100, window = "1h", by = "consumer", plan = true } },
}

-- Tokens that another service of one's own signs; the secret comes from the environment in earnest.
route "/internal/{path*}" {
  upstream = "api",
  plugins = { { "jwt", keys = { { secret = "a secret of at least 32 bytes, kept elsewhere" } },
    issuer = "billing", max_age = "5m" } },
}
