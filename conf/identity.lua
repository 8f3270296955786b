-- Who may call what: keys, passwords, groups and scopes, and consumers that come and go meanwhile.
--
-- Keys and passwords are kept as hashes. A digest of a key, to be written here:
--   printf %s 'the key' | sha256sum
-- A consumer more, with a key, which is shown once:
--   curl -s http://127.0.0.1:8001/consumers -d '{"name":"anna","groups":["staff"]}'
--   curl -s http://127.0.0.1:8001/consumers/anna/credentials -d '{"type":"key","expires_in":"90d"}'

listen "127.0.0.1:8080"
admin "127.0.0.1:8001"
store { path = "state" }

upstream "api" { "http://127.0.0.1:9000" }

plan "free" { routes = { "list", "read" } }

consumer "mobile" {
  keys = {
    -- sha256sum of "try-me"
    "sha256:4b3c1bf421d96f1b49942450483ffb00bad52cbc5be4cc39b9552bb8fa56395c",
    { "the-key-of-before", expires = "2027-01-31T00:00:00Z" },
  },
  plan = "free",
}
consumer "desk" {
  passwords = { "open sesame" },
  groups = { "staff" },
  scopes = { "read", "write" },
}
consumer "guest" {}

group {
  upstream = "api",
  plugins = { { "authenticate", any = { { "key-auth", query = "key" }, { "basic-auth" } } } },
  routes = function()
    route "GET /orders" { name = "list", plugins = { "acl" } }
    route "GET /orders/{id}" { name = "read", plugins = { "acl" } }
    route "/orders/{id}" {
      plugins = { { "acl", groups = { "staff" }, methods = {
        PUT = { scopes = { "write" } }, DELETE = { scopes = { "write" } },
      } } },
    }
  end,
}

-- Without credentials as "guest"; with wrong ones not at all.
route "GET /catalogue" {
  upstream = "api",
  plugins = { { "key-auth", anonymous = "guest" } },
}
