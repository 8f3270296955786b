--- size-limit: refuses requests that are too large, by route.
--
-- The length that the client tells is compared before the body is read; a body without one is
-- counted while it streams, and cut off where it gets too large. A limit here can only be lower
-- than the route's own (`body_limit`) and the gateway's (`limits`).

local moongate = require "moongate"

local reply = moongate.reply

---@class SizeLimit: Plugin
---@field body integer?
---@field target integer?
---@field headers integer?
---@field header_count integer?
---@field require_length boolean
local size_limit = {
  summary = "Refuses requests whose body, target or header fields are too large.",
  options = {
    body = { type = "size", help = "of the body; larger ones get a 413" },
    target = { type = "size", min = 1, help = "of the target, query included; a 414 beyond" },
    headers = { type = "size", min = 1, help = "of all header fields together; a 431 beyond" },
    header_count = { type = "integer", min = 1, help = "header fields; a 431 beyond" },
    require_length = { type = "boolean", default = false,
      help = "refuse a body whose length is not told (411)" },
  },
}

local BODY = reply.problem(413, "request-body-too-large", "The request body exceeds its limit.")
local TARGET =
  reply.problem(414, "request-target-too-long", "The request target exceeds its limit.")
local HEADERS =
  reply.problem(431, "request-head-too-large", "The head of the request exceeds its limit.")
local LENGTH =
  reply.problem(411, "length-required", "The length of the request body has to be told.")

function size_limit.check(options)
  if options.body or options.target or options.headers or options.header_count
    or options.require_length then
    return nil
  end
  return "it limits nothing; expected body, target, headers, header_count or require_length"
end

local function fault_of_head(self, req)
  if self.target and req.target_bytes > self.target then return TARGET end
  if self.headers and req.header_bytes > self.headers then return HEADERS end
  if self.header_count and req.header_count > self.header_count then return HEADERS end
  return nil
end

---@param req Request
---@return Reply?  ends the request when present
function size_limit:request(req)
  local fault = fault_of_head(self, req)
  if fault then return fault end
  if self.require_length and not req.content_length then return LENGTH end
  if self.body and not req:limit_body(self.body) then return BODY end
  return nil
end

return size_limit
