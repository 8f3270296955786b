--- transform: changes a request on its way to the upstream, and the answer on its way back.
--
-- In this order: headers are removed, renamed, set (replacing all of that name), added (beside
-- those of that name); then the query is changed, then the path. Values may have places for what
-- the request has, as {consumer} or {header:user-agent}: see lua/moongate/template.lua. Where none
-- of them has a value what was to be set is removed, so that a client cannot slip in its own.

local headers = require "moongate.headers"
local moongate = require "moongate"
local template = require "moongate.template"

local new_table = require "table.new"

local reply = moongate.reply

---@class HeaderForm
---@field number integer  of operations
---@field operation string?  the last one
---@field before HeaderForm?
---@field after table<string, HeaderForm>
---@field is_fixed boolean  nothing depends on the request
---@field apply fun(changes: table, fields: Headers, req: Request, res: Response?)?  nil: none yet

-- Forms of changes, a tree: each is one operation after those of the form before it.
local ROOT = { number = 0, after = {}, is_fixed = true }
local NONE = {}

-- An instance holds what is not nothing: there may be as many as routes.
---@class Transform: Plugin
---@field request_form HeaderForm
---@field request_changes table[]   as edits.lua has them, and with templates
---@field response_form HeaderForm
---@field response_changes table[]  with the status, which is no part of the form
---@field query { name: string, value: Template? }[]
---@field new_path Template?
---@field status integer?
local transform = {
  summary = "Changes headers, query and path of requests, and answers.",
  request_form = ROOT, request_changes = NONE, response_form = ROOT, response_changes = NONE,
  query = NONE,
}

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

-- What template.lua has made of a text.
local function of_template(text, made, why)
  if not made then error({ text = ("%q: %s"):format(text, why) }) end
  return made
end

local function is_empty(options)
  return not (next(options.remove_headers or NONE) or next(options.rename_headers or NONE)
    or next(options.set_headers or NONE) or next(options.add_headers or NONE))
end

local function query_of(options)
  if not next(options.remove_query) and not next(options.set_query) then return NONE end
  local query = {}
  for i, name in ipairs(options.remove_query) do query[i] = { name = name } end
  for _, name in ipairs(sorted(options.set_query)) do
    local text = options.set_query[name]
    query[#query + 1] = { name = name, value = of_template(text, template.compile(text, "query")) }
  end
  return query
end

local function path_of(options)
  if not options.path then return nil end
  if options.path:sub(1, 1) ~= "/" or options.path:find "[?#]" then
    error({ text = ("path is %q; expected a path that begins with a slash"):format(options.path) })
  end
  return of_template(options.path, template.compile(options.path, "address"))
end

local function rename(fields, from, to)
  if fields:get(from) == nil then return end
  local values = fields:all(from)
  fields:remove(from)
  fields:remove(to)
  for _, value in ipairs(values) do fields:add(to, value) end
end

-- Of the change with that number, which begins with its operation's name.
local OPERATIONS = {
  remove = "fields:remove(c[%d][2])",
  rename = "rename(fields, c[%d][2], c[%d][3])",
  set = "fields:set(c[%d][2], c[%d][3])",
  set_rendered = "fields:set(c[%d][2], c[%d][3]:render(req, res))",
  add = "fields:add(c[%d][2], c[%d][3])",
  add_rendered = "local value = c[%d][3]:render(req, res)\n"
    .. "if value then fields:add(c[%d][2], value) end",
}
local RENDERED = { set = "set_rendered", add = "add_rendered" }

local function form_after(form, operation)
  local next_form = form.after[operation]
  if not next_form then
    next_form = { number = form.number + 1, operation = operation, before = form, after = {},
      is_fixed = form.is_fixed and not operation:find "_rendered$" }
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
  return "local rename = ...\nreturn function(c, fields, req, res)\n" .. table.concat(lines, "\n")
end

-- Puts a change behind those of a form; the form that is made of them.
local function put(form, changes, change)
  changes[form.number + 1] = change
  return form_after(form, change[1])
end

local function put_field(form, changes, operation, name, text)
  local value = of_template(text, template.text_or_template(text, "field"))
  local is_text = type(value) == "string"
  checked_name(name, is_text and value or nil)
  return put(form, changes, { is_text and operation or RENDERED[operation], name, value })
end

local function put_rename(form, changes, operation, from, to)
  return put(form, changes, { operation, checked_name(from), checked_name(to) })
end

-- What `put_one` makes of a map: each name with its value, in the order of names.
local function put_all(form, changes, operation, map, put_one)
  local name = next(map or NONE)
  if name == nil then return form end
  if next(map, name) == nil then return put_one(form, changes, operation, name, map[name]) end
  for _, one in ipairs(sorted(map)) do
    form = put_one(form, changes, operation, one, map[one])
  end
  return form
end

-- Changes of one form share their code, so that a thousand routes do not compile a thousand traces.
local function changes_of(options)
  if is_empty(options) then return ROOT, NONE end
  local form, changes = ROOT, new_table(1, 0)
  for _, name in ipairs(options.remove_headers or NONE) do
    form = put(form, changes, { "remove", checked_name(name) })
  end
  form = put_all(form, changes, "rename", options.rename_headers, put_rename)
  form = put_all(form, changes, "set", options.set_headers, put_field)
  form = put_all(form, changes, "add", options.add_headers, put_field)
  form.apply = form.apply or assert(loadstring(code_of(form), "=transform"))(rename)
  return form, changes
end

local function fill_request(instance)
  local form, changes = changes_of(instance)
  if form ~= ROOT then instance.request_form, instance.request_changes = form, changes end
  local query = query_of(instance)
  if query ~= NONE then instance.query = query end
  instance.new_path = path_of(instance)
end

local function fill_response(instance, response)
  local form, changes = changes_of(response)
  if response.status then
    if changes == NONE then changes = new_table(1, 0) end
    changes[form.number + 1] = { "status", response.status }
    instance.status = response.status
  end
  if form ~= ROOT then instance.response_form = form end
  if changes ~= NONE then instance.response_changes = changes end
end

local function fill(instance)
  fill_request(instance)
  fill_response(instance, instance.response)
  instance.response = false -- all of it has been taken
end

-- There may be as many as routes, so the instance is what the options are in.
function transform.new(options)
  local ok, fault = pcall(fill, options)
  if ok then return options end
  return nil, type(fault) == "table" and fault.text or tostring(fault)
end

-- By whether it takes part in the request phase, then in the response phase.
local PHASES = {
  [false] = { [false] = {}, [true] = { response = true } },
  [true] = { [false] = { request = true }, [true] = { request = true, response = true } },
}

function transform.phases(instance)
  local of_request = instance.request_form ~= ROOT or instance.query ~= NONE
    or instance.new_path ~= nil
  return PHASES[of_request][instance.response_form ~= ROOT or instance.status ~= nil]
end

function transform.response_edits(instance)
  if not instance.response_form.is_fixed then return nil end
  return instance.response_changes
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
  local apply = self.request_form.apply
  if apply then apply(self.request_changes, req.headers, req) end
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
  local status, apply = self.status, self.response_form.apply
  if apply then apply(self.response_changes, res.headers, req, res) end
  if status and not res.from_gateway and has_no_body(res.status) == has_no_body(status) then
    res.status = status
  end
end

return transform
