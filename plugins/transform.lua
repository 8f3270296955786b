--- transform: changes a request on its way to the upstream, and the answer on its way back.
--
-- In this order: headers are removed, renamed, set (replacing all of that name), added (beside
-- those of that name); then the query is changed, then the path. Values may have places for what
-- the request has, as {consumer} or {header:user-agent}: see lua/moongate/template.lua. Where none
-- of them has a value what was to be set is removed, so that a client cannot slip in its own.

local headers = require "moongate.headers"
local moongate = require "moongate"
local template = require "moongate.template"

local reply = moongate.reply

---@class HeaderChanges
---@field form HeaderForm
---@field values table     of its operations

---@class HeaderForm
---@field number integer  of operations
---@field operation string?  the last one
---@field before HeaderForm?
---@field after table<string, HeaderForm>
---@field apply fun(values: table, fields: Headers, req: Request, res: Response?)?  nil: none yet

---@class Transform: Plugin
---@field of_request HeaderChanges
---@field of_response HeaderChanges
---@field query { name: string, value: Template? }[]
---@field new_path Template?
---@field status integer?
local transform = { summary = "Changes headers, query and path of requests, and answers." }

local function header_options(of)
  return {
    remove_headers = { type = "list", items = { type = "string", help = "" }, default = {},
      help = ("headers to remove from the %s"):format(of) },
    rename_headers = { type = "map", items = { type = "string", help = "" }, default = {},
      help = ("headers of the %s to rename: { [\"old\"] = \"new\" }"):format(of) },
    set_headers = { type = "map", items = { type = "string", help = "" }, default = {},
      help = ("headers to set in the %s, replacing those of that name"):format(of) },
    add_headers = { type = "map", items = { type = "string", help = "" }, default = {},
      help = ("headers to add to the %s, beside those of that name"):format(of) },
  }
end

transform.options = header_options "request"
transform.options.set_query = { type = "map", items = { type = "string", help = "" }, default = {},
  help = "values to set in the query" }
transform.options.remove_query = { type = "list", items = { type = "string", help = "" },
  default = {}, help = "values to remove from the query" }
transform.options.path = { type = "string",
  help = "path to send upstream; {name} is a parameter of the route's path" }
transform.options.response = { type = "table", fields = header_options "response", default = {},
  help = "what to change in the answer" }
transform.options.response.fields.status = { type = "integer", min = 200, max = 599,
  help = "status to answer with instead of the upstream's; errors of the gateway keep theirs, and "
    .. "so does an answer without a body (204, 304) that would need one, or the other way round" }

-- Forms of changes, a tree: each is one operation after those of the form before it.
local ROOT = { number = 0, after = {} }
-- There may be as many of these as routes: what is nothing is the same for all of them.
local NONE, UNCHANGED = {}, { form = ROOT, values = {} }

-- What is wrong is raised by these, and returned by new().

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  if names[2] then table.sort(names) end
  return names
end

local function checked_name(name, value)
  local fault = headers.fault(name, value)
  if fault then error({ text = fault }) end
  return name
end

local function compiled(text, use)
  local made, why = template.compile(text, use)
  if not made then error({ text = ("%q: %s"):format(text, why) }) end
  return made
end

-- A list in the order of names: what is to be set, a text or, with places, a template.
local function fields_of(map)
  local fields = {}
  for i, name in ipairs(sorted(map)) do
    local value = compiled(map[name], "field")
    local is_fixed = #value.places == 0
    checked_name(name, is_fixed and value.text or nil)
    fields[i] = is_fixed and { name = name, text = value.text } or { name = name, value = value }
  end
  return fields
end

local function is_empty(options)
  return not (next(options.remove_headers or NONE) or next(options.rename_headers or NONE)
    or next(options.set_headers or NONE) or next(options.add_headers or NONE))
end

local function renamed(map)
  local list = {}
  for i, name in ipairs(sorted(map)) do
    list[i] = { from = checked_name(name), to = checked_name(map[name]) }
  end
  return list
end

local function query_of(options)
  if not next(options.remove_query) and not next(options.set_query) then return NONE end
  local query = {}
  for i, name in ipairs(options.remove_query) do query[i] = { name = name } end
  for _, name in ipairs(sorted(options.set_query)) do
    query[#query + 1] = { name = name, value = compiled(options.set_query[name], "query") }
  end
  return query
end

local function path_of(options)
  if not options.path then return nil end
  if options.path:sub(1, 1) ~= "/" or options.path:find "[?#]" then
    error({ text = ("path is %q; expected a path that begins with a slash"):format(options.path) })
  end
  return compiled(options.path, "address")
end

local function rename(fields, from, to)
  if fields:get(from) == nil then return end
  local values = fields:all(from)
  fields:remove(from)
  fields:remove(to)
  for _, value in ipairs(values) do fields:add(to, value) end
end

-- Of the value with that number.
local OPERATIONS = {
  remove = "fields:remove(v[%d])",
  rename = "rename(fields, v[%d].from, v[%d].to)",
  set = "fields:set(v[%d].name, v[%d].text)",
  set_rendered = "fields:set(v[%d].name, v[%d].value:render(req, res))",
  add = "fields:add(v[%d].name, v[%d].text)",
  add_rendered = "local value = v[%d].value:render(req, res)\n"
    .. "if value then fields:add(v[%d].name, value) end",
}

local function form_after(form, operation)
  local next_form = form.after[operation]
  if not next_form then
    next_form = { number = form.number + 1, operation = operation, before = form, after = {} }
    form.after[operation] = next_form
  end
  return next_form
end

-- The changes as straight code: loops of one turn would keep LuaJIT from compiling what calls them.
local function code_of(form)
  local lines = { [form.number + 1] = "end" }
  while form.number > 0 do
    lines[form.number] = "do " .. OPERATIONS[form.operation]:gsub("%%d", form.number) .. " end"
    form = form.before
  end
  return "local rename = ...\nreturn function(v, fields, req, res)\n" .. table.concat(lines, "\n")
end

-- The values that are put behind those of a form, and the form that is made of them.
local function put(form, values, list, operation)
  for _, value in ipairs(list) do
    values[#values + 1] = value
    form = form_after(form, value.value and operation .. "_rendered" or operation)
  end
  return form
end

-- Changes of one form share their code, so that a thousand routes do not compile a thousand traces.
local function changes_of(options)
  if is_empty(options) then return UNCHANGED end
  local form, values = ROOT, {}
  for _, name in ipairs(options.remove_headers or NONE) do
    values[#values + 1] = checked_name(name)
    form = form_after(form, "remove")
  end
  form = put(form, values, renamed(options.rename_headers or NONE), "rename")
  form = put(form, values, fields_of(options.set_headers or NONE), "set")
  form = put(form, values, fields_of(options.add_headers or NONE), "add")
  form.apply = form.apply or assert(loadstring(code_of(form), "=transform"))(rename)
  return { form = form, values = values }
end

local function fill(instance)
  local response = instance.response
  instance.of_request = changes_of(instance)
  instance.of_response = changes_of(response)
  instance.query = query_of(instance)
  instance.new_path = path_of(instance)
  instance.status = response.status
  instance.response = false -- all of it has been taken
end

-- There may be as many as routes, so the instance is what the options are in.
function transform.new(options)
  local ok, fault = pcall(fill, options)
  if ok then return options end
  return nil, type(fault) == "table" and fault.text or tostring(fault)
end

function transform.phases(instance)
  return {
    request = instance.of_request.form.number + #instance.query > 0 or instance.new_path ~= nil,
    response = instance.of_response.form.number > 0 or instance.status ~= nil,
  }
end

-- Of one value. What depends on the request is none.
local EDITS = {
  remove = function(name) return { "remove", name } end,
  rename = function(value) return { "rename", value.from, value.to } end,
  set = function(value) return { "set", value.name, value.text } end,
  add = function(value) return { "add", value.name, value.text } end,
}

function transform.response_edits(instance)
  local list, form, values = {}, instance.of_response.form, instance.of_response.values
  while form.number > 0 do
    local edit = EDITS[form.operation]
    if not edit then return nil end
    list[form.number] = edit(values[form.number])
    form = form.before
  end
  if instance.status then list[#list + 1] = { "status", instance.status } end
  return list
end

local function change_headers(changes, fields, req, res)
  local apply = changes.form.apply
  if apply then apply(changes.values, fields, req, res) end
end

local function change_query(changes, req)
  for _, change in ipairs(changes) do
    req.query[change.name] = change.value and change.value:render(req) or nil
  end
end

local BAD_PATH = reply.problem(400, "bad-path", "The path cannot be made of these values.")

---@param req Request
---@return Reply?  ends the request when present
function transform:request(req)
  change_headers(self.of_request, req.headers, req)
  if #self.query > 0 then change_query(self.query, req) end
  if self.new_path then
    local path = self.new_path:render(req)
    if not path then return BAD_PATH end
    req.path = path
  end
  return nil
end

local function has_no_body(status) return status < 200 or status == 204 or status == 304 end

-- A client may ask for a 304 (If-None-Match), for which there is no body to answer with.
---@param req Request
---@param res Response
function transform:response(req, res)
  local status = self.status
  change_headers(self.of_response, res.headers, req, res)
  if status and not res.from_gateway and has_no_body(res.status) == has_no_body(status) then
    res.status = status
  end
end

return transform
