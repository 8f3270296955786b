-- Clients that say who they are by a certificate of their own (mutual TLS).
--
-- An authority of your own, the gateway's certificate, and those of two clients; beside this file:
--   mkdir -p certs
--   openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj '/CN=Our authority' \
--     -keyout certs/authority.key -out certs/authority.pem
--   openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=localhost \
--     -extensions usr_cert -addext subjectAltName=DNS:localhost \
--     -CA certs/authority.pem -CAkey certs/authority.key \
--     -keyout certs/localhost.key -out certs/localhost.pem
--   openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /O=Example/CN=mobile \
--     -extensions usr_cert -CA certs/authority.pem -CAkey certs/authority.key \
--     -keyout certs/mobile.key -out certs/mobile.pem
--   openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=batch-7 \
--     -extensions usr_cert -addext subjectAltName=URI:spiffe://example.com/batch \
--     -CA certs/authority.pem -CAkey certs/authority.key \
--     -keyout certs/batch.key -out certs/batch.pem
--
-- By the subject of a certificate, or by a name in it; without one there is no way in:
--   curl -i --cacert certs/authority.pem --cert certs/mobile.pem --key certs/mobile.key \
--     https://localhost:8443/orders # 200
--   curl -i --cacert certs/authority.pem --cert certs/batch.pem --key certs/batch.key \
--     https://localhost:8443/orders # 200
--   curl -i --cacert certs/authority.pem https://localhost:8443/orders # 403
-- Known, and not of the group that the route wants:
--   curl -i --cacert certs/authority.pem --cert certs/batch.pem --key certs/batch.key \
--     -X DELETE https://localhost:8443/orders # 403
-- By a certificate or by a key:
--   curl -i --cacert certs/authority.pem --cert certs/batch.pem --key certs/batch.key \
--     https://localhost:8443/reports # 200
--   curl -i --cacert certs/authority.pem -H 'x-api-key: try-me' \
--     https://localhost:8443/reports # 200
--
-- Whoever is to be out at once is taken out of `certificates`. What the authority has taken back is
-- refused with client_crl = "certs/revoked.pem", which is read again when it changes.

listen {
  "127.0.0.1:8443",
  tls = {
    cert = "certs/localhost.pem", key = file "certs/localhost.key",
    -- "required" ends the handshake without a certificate; so routes decide, and others stay open.
    client = "optional", client_ca = "certs/authority.pem",
  },
}

-- A subject as RFC 2253 has it: the last part first. One certificate alone would be named by its
-- fingerprint: openssl x509 -noout -fingerprint -sha256 -in certs/mobile.pem, as "sha256:…".
consumer "mobile" { certificates = { "CN=mobile,O=Example" }, groups = { "writers" } }
consumer "batch" { certificates = { "uri:spiffe://example.com/batch" } }
consumer "desk" { keys = { "try-me" } }

local hello = { "mock", body = "Hello, {header:x-consumer-name}!\n" }

route "GET /orders" { plugins = { { "mtls-auth" }, hello } }
route "DELETE /orders" { plugins = { { "mtls-auth" }, { "acl", groups = { "writers" } }, hello } }

route "GET /reports" {
  plugins = { { "authenticate", any = { { "mtls-auth" }, { "key-auth" } } }, hello },
}
