--- request-id: gives every request an id that the client, the upstream and the logs know it by.

local headers = require "moongate.headers"

---@class RequestId: Plugin
---@field header string
---@field trust boolean
local request_id = {
  summary = "Sends the request's id to the upstream and to the client.",
  options = {
    header = { type = "string", default = "x-request-id", help = "header that carries the id" },
    trust = { type = "boolean", default = false,
      help = "take the id that the client sends, when it is printable ASCII of at most 128 bytes" },
  },
}

local LENGTH_MAX = 128

function request_id.check(options)
  return headers.fault(options.header)
end

local function is_valid(id)
  return #id > 0 and #id <= LENGTH_MAX and not id:find "[^\33-\126]"
end

---@param req Request
function request_id:request(req)
  local sent = self.trust and req.headers:get(self.header)
  if sent and is_valid(sent) then
    req.id = sent
  else
    req.headers[self.header] = req.id
  end
end

function request_id.response_edits(instance) return { { "set_id", instance.header } } end

---@param req Request
---@param res Response
function request_id:response(req, res)
  res.headers[self.header] = req.id
end

return request_id
