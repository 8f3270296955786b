--- cache: answers with what the upstream has answered before, by the rules of HTTP (RFC 9111).
--
-- It has no phase of its own: where a route has it, the core looks for an answer after all plugins
-- have let the request pass. What plugins do to answers is done to each, as ever; what is stored is
-- what came from the upstream.

local cache = {
  summary = "Keeps answers of the upstream, and answers with them.",
  options = {
    ttl = { type = "duration", max = 31536000,
      help = "how long answers are fresh that do not say it; default: as HTTP has it" },
  },
}

--- What the core is told of it.
function cache.cache_policy(instance) return instance end

return cache
