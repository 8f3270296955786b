-- Signed requests: as those to AWS are, verified here or made for an upstream that wants them so,
-- and by HTTP Message Signatures (RFC 9421).
--
-- By a client that signs, and by others:
--   curl -i --aws-sigv4 aws:amz:eu:orders -u try-me:of-the-two http://localhost:8080/orders # 200
--   curl -i --aws-sigv4 aws:amz:eu:orders -u try-me:of-others http://localhost:8080/orders # 401
--   curl -i http://localhost:8080/orders # 401
-- Signed by the gateway on the way to a bucket, which takes nothing else:
--   curl -i http://localhost:8080/files/report.txt # 200
--   curl -i http://localhost:8081/bucket/report.txt # 401
--
-- Messages signed by RFC 9421 alone, each once: without a signature there is no way in.
--   curl -i -d a http://localhost:8080/messages # 401
--
-- Secrets of your own do not stand in a configuration: secret = env "AWS_SECRET_ACCESS_KEY", or
-- file "secrets/aws", which is read again when it changes.

listen "127.0.0.1:8080"
listen "127.0.0.1:8081"

consumer "batch" { hmac_secrets = { { "of-the-two", id = "try-me" } } }
consumer "gateway" { hmac_secrets = { { "of-the-bucket", id = "AKIDEXAMPLE" } } }

route "/orders" {
  plugins = {
    { "aws-sigv4-auth", region = "eu", service = "orders" },
    { "mock", json = { { id = 1, item = "lamp" } } },
  },
}

-- keyid="try-me", alg="hmac-sha256", created; over "@method", "@authority", "@path", "@query", and
-- with a body "content-digest".
route "POST /messages" {
  plugins = {
    { "hmac-auth", max_age = "1m", signed = { "content-type" } },
    { "mock", status = 202 },
  },
}

-- As for S3 itself, which would be { "https://BUCKET.s3.eu-central-1.amazonaws.com" }. For a
-- function of Lambda: rewrite = "/2015-03-31/functions/NAME/invocations", service = "lambda".
upstream "bucket" { "http://127.0.0.1:8081" }

route "GET /files/{name*}" {
  upstream = "bucket",
  upstream_host = "bucket.example.com",
  rewrite = "/bucket/{name}",
  plugins = {
    { "aws-sigv4-sign", region = "eu-central-1", service = "s3",
      access_key_id = "AKIDEXAMPLE", secret_access_key = "of-the-bucket" },
  },
}

-- What stands for the bucket.
route "/bucket/{name*}" {
  plugins = {
    { "aws-sigv4-auth", region = "eu-central-1", service = "s3" },
    { "mock", body = "{param:name} for {header:x-consumer-name}\n" },
  },
}
