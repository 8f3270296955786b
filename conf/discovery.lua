-- Targets that are learned at run time: from a file here, with other sources below.

listen "127.0.0.1:8080"
admin "127.0.0.1:8001"

-- Change the file, and a second later it is what counts; `moongate upstream catalog` shows it.
upstream "catalog" {
  discover = { file = "discovery-targets.json" },
  slow_start = "20s",
}

-- Each address of the name is a target, for as long as its TTL says. On this machine: one or two.
upstream "local" {
  discover = { dns = "localhost:8081", ttl_min = "5s", ttl_max = "1m" },
}

-- upstream "orders" { discover = { srv = "_http._tcp.orders.internal" } }
-- upstream "search" { discover = { http = "https://registry.internal/search", interval = "10s" } }
-- upstream "carts" {
--   discover = { consul = "http://127.0.0.1:8500", service = "carts", token = env "CONSUL_TOKEN" },
-- }
-- upstream "users" { discover = { eureka = "http://127.0.0.1:8761/eureka", app = "USERS" } }

route "/catalog/{path*}" { upstream = "catalog" }
route "/local/{path*}" { upstream = "local" }
