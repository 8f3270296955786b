--- consumers: the endpoints of the admin listeners that keep consumers in the store.
--
--     GET    /consumers?after=NAME&limit=N      those of the configuration and the store, by name
--     POST   /consumers                         { name, groups, roles, scopes, tags, plan }
--     GET    /consumers/{name}
--     PUT    /consumers/{name}                  the same without the name
--     DELETE /consumers/{name}
--     POST   /consumers/{name}/credentials      { type, expires, ... }
--     DELETE /consumers/{name}/credentials/{id}
--     POST   /consumers/{name}/credentials/{id}/rotate     { overlap, ... }
--
-- Secrets are shown once, in the answer that makes them.

local bridge = require "moongate.ffi"
local check = require "moongate.config.check"
local fields = require "moongate.admin.consumer_fields"
local json = require "moongate.json"
local consumers = require "moongate.consumers"
local plans = require "moongate.plans"
local reply = require "moongate.reply"
local time = require "moongate.time"

local C = bridge.C

local HEADERS = { ["cache-control"] = "no-store", ["x-content-type-options"] = "nosniff" }
local BODY_BYTES_MAX = 65536
local LIST_DEFAULT, LIST_MAX = 100, 1000
local TIME_MAX = 253402300799 -- the last second of year 9999
local NAME_PATTERN, NAME_BYTES_MAX = "^[%w._~@+-]+$", 128
-- No path has these as a segment of their own, so nobody could ask for them.
local IS_NO_NAME = { ["."] = true, [".."] = true }

local NO_STORE = reply.problem(503, "no-store",
  "Consumers are kept in the store, and the configuration has none.", HEADERS)

local records -- needs a generation that serves; nil: there is no store

local function problem(what) return reply.problem(what[1], what[2], what[3], HEADERS) end

local function bad(detail) return problem { 422, "unfit", detail } end

-- The checked body; nil and a reply.
local function body_of(req, options, allows_nothing)
  local text = req:body(BODY_BYTES_MAX)
  if text == "" and allows_nothing then text = "{}" end
  local given, wrong = json.decode(text)
  if type(given) ~= "table" or json.is_array(given) and #given > 0 then
    return nil, problem { 400, "no-json", "The body is no JSON object: "
      .. (wrong or "it is another value") .. "." }
  end
  local faults = {}
  local checked = check.options(options, given, function(message)
    faults[#faults + 1] = message
  end)
  if #faults > 0 then return nil, bad(table.concat(faults, "; ") .. ".") end
  return checked
end

local function shown_credential(credential)
  return {
    id = credential.id, type = credential.type, username = credential.username,
    hmac_id = credential.hmac_id, certificate = credential.certificate,
    jwt_id = credential.jwt_id, kid = credential.kid, algorithm = credential.algorithm,
    created = time.iso(credential.created),
    expires = credential.expires and time.iso(credential.expires),
  }
end

local function shown(record)
  local credentials = json.array {}
  for i, credential in ipairs(record.credentials) do
    credentials[i] = shown_credential(credential)
  end
  return {
    name = record.name, source = "store", groups = json.array(record.groups),
    roles = json.array(record.roles), scopes = json.array(record.scopes), tags = record.tags,
    plan = record.plan, created = time.iso(record.created), credentials = credentials,
  }
end

local function names_of(set)
  local names = json.array {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Of the configuration, whose credentials are not told.
local function shown_declared(consumer)
  return {
    name = consumer.name, source = "configuration", groups = names_of(consumer.groups),
    roles = names_of(consumer.roles), scopes = names_of(consumer.scopes), tags = consumer.tags,
    plan = consumer.plan and consumer.plan.name or nil,
  }
end

local function plan_fault(given)
  if not given.plan or plans.by_name(given.plan) then return nil end
  return bad(("There is no plan %q."):format(given.plan))
end

local DECLARED = { 409, "consumer-exists", "The configuration has a consumer of that name." }

local function create(_, req)
  local given, refusal = body_of(req, fields.CONSUMER)
  if not given then return refusal end
  local name = given.name
  if not name or #name > NAME_BYTES_MAX or not name:find(NAME_PATTERN) or IS_NO_NAME[name] then
    return bad "A name has 1 to 128 letters, digits and characters of . _ ~ @ + -; not . or .."
  end
  refusal = plan_fault(given)
  if refusal then return refusal end
  if consumers.is_declared(name) then return problem(DECLARED) end
  local done, why = records.create(given)
  if not done then return problem(why) end
  return reply.json(201, shown(given), { ["cache-control"] = "no-store",
    location = "/consumers/" .. name })
end

-- `for name, what is shown of it in each(after) do`: by name; of one name that of the configuration
-- first.
local function each(after)
  local declared = consumers.after(after)
  local next_record = records and records.each(after) or function() return nil end
  local name, record = next_record()
  return function()
    if declared and (not name or declared.name <= name) then
      local one = declared
      declared = consumers.after(one.name)
      return one.name, shown_declared(one)
    elseif not name then
      return nil
    end
    local found, one = name, record
    name, record = next_record()
    return found, shown(one)
  end
end

local function limit_of(req)
  local limit = tonumber(req.query.limit or LIST_DEFAULT)
  if not limit or limit % 1 ~= 0 or limit < 1 or limit > LIST_MAX then return nil end
  return limit
end

-- A page ends between two names.
local function list(_, req)
  local limit = limit_of(req)
  if not limit then return bad "limit is a number from 1 to 1000." end
  local found, last, has_more = json.array {}, nil, false
  for name, one in each(req.query.after or "") do
    if #found >= limit and name ~= last then
      has_more = true
      break
    end
    found[#found + 1], last = one, name
  end
  return reply.json(200, { consumers = found, next = has_more and last or nil }, HEADERS)
end

local NONE = { 404, "no-consumer", "There is no such consumer." }

local function read(_, req)
  local name = req.params.name
  local record = records and records.read(name)
  if record then return reply.json(200, shown(record), HEADERS) end
  if not consumers.is_declared(name) then return problem(NONE) end
  return reply.json(200, shown_declared(consumers.by_name(name)), HEADERS)
end

local function replace(_, req)
  local given, refusal = body_of(req, fields.CONSUMER)
  if not given then return refusal end
  local name = req.params.name
  if given.name and given.name ~= name then return bad "A consumer keeps its name." end
  refusal = plan_fault(given)
  if refusal then return refusal end
  local record, why = records.replace(name, given)
  if not record then return problem(why) end
  return reply.json(200, shown(record), HEADERS)
end

local function delete(_, req)
  local done, why = records.delete(req.params.name)
  if not done then return problem(why) end
  return reply.new(204, nil, HEADERS)
end

-- Seconds since the epoch, nil: never; or false and a reply.
local function expiry_of(given)
  local expires = given.expires
  if given.expires_in then expires = time.now() + given.expires_in end
  if type(expires) == "string" then expires = time.parse_iso(expires) end
  if given.expires ~= nil and type(expires) ~= "number" or expires and expires > TIME_MAX then
    return false, bad 'expires is a time as "2027-01-31T00:00:00Z", or seconds since the epoch.'
  end
  return expires
end

local function made(credential, secrets)
  local answer = shown_credential(credential)
  for name, value in pairs(secrets) do answer[name] = value end
  return reply.json(201, answer, HEADERS)
end

local function add_credential(_, req)
  local given, refusal = body_of(req, fields.CREDENTIAL)
  if not given then return refusal end
  given.expires, refusal = expiry_of(given)
  if refusal then return refusal end
  local credential, secrets = records.add_credential(req.params.name, given)
  if not credential then return problem(secrets) end
  return made(credential, secrets)
end

local function delete_credential(_, req)
  local done, why = records.delete_credential(req.params.name, req.params.id)
  if not done then return problem(why) end
  return reply.new(204, nil, HEADERS)
end

-- A new one beside the old one, which counts for some time yet.
local function rotate(_, req)
  local given, refusal = body_of(req, fields.ROTATION, true)
  if not given then return refusal end
  local credential, secrets = records.rotate_credential(req.params.name, req.params.id, given,
    time.now() + given.overlap)
  if not credential then return problem(secrets) end
  return made(credential, secrets)
end

-- What changes something needs a store; what is in none is not shown.
local function with_store(method, answer)
  return function(self, req)
    local has_store = C.moon_store_is_open(bridge.generation)
    if not has_store and method ~= "GET" then return NO_STORE end
    records = records or has_store and require "moongate.consumer_records" or nil
    return answer(self, req)
  end
end

-- Methods by path.
local endpoints = {
  ["/consumers"] = { GET = list, POST = create },
  ["/consumers/{name}"] = { GET = read, PUT = replace, DELETE = delete },
  ["/consumers/{name}/credentials"] = { POST = add_credential },
  ["/consumers/{name}/credentials/{id}"] = { DELETE = delete_credential },
  ["/consumers/{name}/credentials/{id}/rotate"] = { POST = rotate },
}
for _, methods in pairs(endpoints) do
  for method, answer in pairs(methods) do methods[method] = with_store(method, answer) end
end

return endpoints
