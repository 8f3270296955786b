--- consumers: checks those that the configuration declares, and makes credentials of what they
-- have.

local check = require "moongate.config.check"
local given = require "moongate.jwt.given"
local plans = require "moongate.plans"
local schema = require "moongate.config.schema"
local values = require "moongate.config.values"

local consumers = {}

-- As consumers.lua and consumer_keys.lua look for them: passwords of a user name, keys of an id.
local PASSWORDS_MAX, JWT_KEYS_MAX = 4, 4

local function is_key(text)
  return text:sub(1, 7) ~= "sha256:" or text:find "^sha256:%x+$" ~= nil and #text == 71
end

local function is_password(text)
  return text:sub(1, 7) ~= "scrypt:" or text:find "^scrypt:%d+:[%w+/=]+:[%w+/=]+$" ~= nil
end

-- Loaded where it is needed: this file works without the gateway, too.
local function seconds_of(text)
  return type(text) == "string" and require("moongate.time").parse_iso(text) or nil
end

-- Seconds since the epoch, nil: it never expires, or is no time, which is reported.
local function expiry_of(expires, full, report)
  local seconds = seconds_of(expires)
  if expires ~= nil and not seconds then
    report(('%s: expires is %s; expected a time: "2027-01-31T00:00:00Z"'):format(full,
      values.show(expires)))
  end
  return seconds
end

-- A text, or { text, expires = "..." }: the text, when it expires, and what else is with it.
local function read_item(consumer, list, at, name, report)
  local item, expires, id = list[at], nil, nil
  local full = ("%s[%d]"):format(name, at)
  if type(item) == "table" then
    item, expires, id = item[1], item.expires, item.id
  end
  if type(item) ~= "string" then
    report(("%s is what was given; expected a string, or { \"...\", expires = \"...\" }")
      :format(full))
    return nil
  end
  local seconds = expiry_of(expires, full, report)
  if expires ~= nil and not seconds then return nil end
  if item == "" then
    report(("consumer %q has an empty %s"):format(consumer.name, name:sub(1, -2)), true)
    return nil
  end
  return item, seconds, id
end

-- Each of these gives credentials as build_consumers.lua makes them: of a kind, found by `id`, with
-- `text`.

local function add_keys(consumer, report, add)
  for at = 1, #consumer.keys do
    local key, expires = read_item(consumer, consumer.keys, at, "keys", report)
    if key and is_key(key) then
      add { kind = "key", id = key, text = key, expires = expires, what = "key" }
    elseif key then
      report(("keys[%d] begins as a digest; expected sha256: and 64 hexadecimal digits"):format(at))
    end
  end
end

local function add_passwords(consumer, report, add)
  local username = consumer.username or consumer.name
  if #consumer.passwords > PASSWORDS_MAX then
    report(("passwords has %d; expected at most %d"):format(#consumer.passwords, PASSWORDS_MAX))
    return
  end
  for at = 1, #consumer.passwords do
    local password, expires = read_item(consumer, consumer.passwords, at, "passwords", report)
    if password and is_password(password) then
      add { kind = "basic", id = ("%s\0%d"):format(username, at - 1), text = password,
        expires = expires, what = "user name" }
    elseif password then
      report(("passwords[%d] begins as a hash and is none; expected scrypt:COST:SALT:HASH")
        :format(at))
    end
  end
end

-- Keys of one id are told apart by numbers.
local function add_jwt_keys(consumer, report, add)
  local counts = {}
  for at, key in ipairs(consumer.jwt_keys) do
    local full = ("jwt_keys[%d]"):format(at)
    local id = key.id or consumer.name
    local count = counts[id] or 0
    counts[id] = count + 1
    key.expires = expiry_of(key.expires, full, report)
    local wrong = given.fault(key)
    if wrong then
      report(("%s: %s"):format(full, wrong))
    elseif count == JWT_KEYS_MAX then
      report(("%s: the id %q has more than %d keys"):format(full, id, JWT_KEYS_MAX))
    elseif count < JWT_KEYS_MAX then
      add { kind = "jwt", id = ("%s\0%d"):format(id, count), given = key, text = "",
        expires = key.expires, what = "id of JWT keys", at = full }
    end
  end
end

local function add_hmac_secrets(consumer, report, add)
  for at = 1, #consumer.hmac_secrets do
    local secret, expires, id = read_item(consumer, consumer.hmac_secrets, at, "hmac_secrets",
      report)
    id = id or (at == 1 and consumer.name or ("%s-%d"):format(consumer.name, at))
    if type(id) ~= "string" or id == "" then
      report(("hmac_secrets[%d]: id is %s; expected a text"):format(at, values.show(id)))
    elseif secret then
      add { kind = "hmac", id = id, text = secret, expires = expires, what = "HMAC id" }
    end
  end
end

local function add_certificates(consumer, report, add)
  for at = 1, #consumer.certificates do
    local text, expires = read_item(consumer, consumer.certificates, at, "certificates", report)
    if text then
      if text:find "^sha256:" or text:find "^dns:" then text = text:lower() end
      add { kind = "certificate", id = text, text = "", expires = expires, what = "certificate" }
    end
  end
end

local function fields_of(declaration, options, report)
  local fields = declaration.fields
  if type(fields) ~= "table" then
    report(("is %s; expected a table"):format(type(fields) == "string" and "a string"
      or values.show(fields)))
    fields = {}
  end
  return check.options(options, fields, report)
end

-- Of those that are not as they should be nothing was taken over.
local LISTS = { "keys", "passwords", "hmac_secrets", "certificates", "jwt_keys" }

-- Adds a credential to a consumer, unless it is another's: `owners` are names by kind and id.
local function add_credential(state, consumer, credential, report)
  local owners = state.owners[credential.kind]
  local other = owners[credential.id]
  if other then
    report(("consumer %q has the same %s as consumer %q"):format(consumer.name, credential.what,
      other), true)
  end
  owners[credential.id] = consumer.name
  consumer.credentials[#consumer.credentials + 1] = credential
end

local function one(state, declaration)
  local at, name = declaration.at, tostring(declaration.name)
  local function report(message, is_whole)
    state.report(at, is_whole and message or ("consumer %q: %s"):format(name, message))
  end
  local consumer = fields_of(declaration, schema.consumer, report)
  consumer.name, consumer.at, consumer.credentials = name, at, {}
  local function add(credential) add_credential(state, consumer, credential, report) end
  for _, list in ipairs(LISTS) do consumer[list] = consumer[list] or {} end
  add_keys(consumer, report, add)
  add_passwords(consumer, report, add)
  add_hmac_secrets(consumer, report, add)
  add_certificates(consumer, report, add)
  add_jwt_keys(consumer, report, add)
  if consumer.plan and not plans.by_name(consumer.plan) then
    report(("there is no plan %q"):format(consumer.plan))
  end
  return consumer
end

local function report_name(state, consumer)
  local before = state.by_name[consumer.name]
  if before then
    state.report(consumer.at, ("consumer %q is declared already at %s"):format(consumer.name,
      before))
  end
  state.by_name[consumer.name] = consumer.at
end

--- Checks all, and has the builder add each as it is read.
---@param model Model
---@param declared Declared
---@param report fun(at: string, message: string)
---@param builder ModelBuilder
function consumers.add(model, declared, report, builder)
  local owners = { key = {}, basic = {}, hmac = {}, certificate = {}, jwt = {} }
  local state = { report = report, owners = owners, by_name = {} }
  model.consumers, model.consumer_count = {}, declared.consumers.count
  for declaration in declared.consumers.take, declared.consumers do
    local consumer = one(state, declaration)
    report_name(state, consumer)
    local ok, wrong = true, nil
    if builder.consumer then ok, wrong = builder.consumer(consumer) end
    if not ok then report(consumer.at, ("consumer %s: %s"):format(consumer.name, wrong)) end
    if not builder.forgets then model.consumers[#model.consumers + 1] = consumer end
  end
end

--- What consumers may do, by name; from then on plugins find it by moongate.plans.
---@param declared Declared
---@param report fun(at: string, message: string)
---@return ModelPlan[]
function consumers.plans(declared, report)
  local list, by_name = {}, {}
  for _, declaration in ipairs(declared.plans) do
    local at, name = declaration.at, tostring(declaration.name)
    local plan = fields_of(declaration, schema.plan, function(message)
      report(at, ("plan %q: %s"):format(name, message))
    end)
    plan.name, plan.at = name, at
    if by_name[name] then
      report(at, ("plan %q is declared already at %s"):format(name, by_name[name]))
    end
    by_name[name] = at
    list[#list + 1] = plan
  end
  plans.set(list)
  return list
end

return consumers
