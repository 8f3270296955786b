--- check: holds a table that somebody wrote against the options that are known.
--
-- The one checker: for plugins' options and for the configuration's own tables (schema.lua). Says
-- everything that is wrong, and returns a table with defaults filled in and values converted.

local by = require "moongate.by"
local has = require("moongate.list").has
local nearest = require "moongate.config.nearest"
local values = require "moongate.config.values"

local new_table = require "table.new"

local check = {}

local NONE = {}

local EXPECTED = {
  string = "a string",
  boolean = "true or false",
  integer = "a whole number",
  number = "a number",
  duration = 'a duration: seconds, or "250ms", "5s", "1m", "1h"',
  size = 'a size: bytes, or "64k", "10m"',
  pem = "the path of a PEM file, or its text",
  list = "a list",
  map = "a table of names and values",
  table = "a table",
  ["function"] = "a function",
  by = by.EXPECTED,
}

local function same_type(name)
  return function(value) if type(value) == name then return value end return nil end
end

local SCALARS = {
  string = same_type "string",
  boolean = same_type "boolean",
  number = same_type "number",
  ["function"] = same_type "function",
  duration = values.duration,
  size = values.size,
  by = by.parse,
  pem = function(value)
    if type(value) == "string" and value ~= "" then return value end
    return nil
  end,
  any = function(value) return value end,
  integer = function(value)
    if type(value) == "number" and value % 1 == 0 then return value end
    return nil
  end,
}

local function is_allowed(option, value)
  return not option.values or has(option.values, value)
end

local function allowed_text(option)
  local shown = {}
  for i, allowed in ipairs(option.values) do shown[i] = values.show(allowed) end
  return "one of " .. table.concat(shown, ", ")
end

local function bounds_text(option)
  if option.min and option.max then
    return ("between %s and %s"):format(option.min, option.max)
  end
  return option.min and ("at least " .. option.min) or ("at most " .. option.max)
end

-- `zero` lets 0 stand for "none" or "the default" beside a minimum.
local function is_within(option, number)
  if number == 0 and option.zero then return true end
  return (not option.min or number >= option.min) and (not option.max or number <= option.max)
end

local function shown(option, value)
  return option.secret and value ~= "" and "what was given" or values.show(value)
end

-- How messages call what stands under `key`, of a list at a number, in what is called `prefix`.
local function full_name(prefix, key)
  if type(key) == "number" then return prefix .. "[" .. key .. "]" end
  return prefix and (prefix .. "." .. key) or key
end

local function check_scalar(option, value, report, prefix, key)
  local converted = SCALARS[option.type](value)
  local expected
  if converted == nil then
    expected = EXPECTED[option.type]
  elseif not is_allowed(option, converted) then
    expected = allowed_text(option)
  elseif not is_within(option, converted) then
    expected = bounds_text(option)
  else
    return converted
  end
  report(("%s is %s; expected %s"):format(full_name(prefix, key), shown(option, value), expected))
  return nil
end

local check_value

local function check_list(option, value, name, report)
  local list, count = {}, 0
  for key in pairs(value) do
    if type(key) ~= "number" then
      report(("%s has the name %q in it; expected a list"):format(name, tostring(key)))
      return nil
    end
    count = count + 1
  end
  for i = 1, count do
    local item = value[i]
    if item == nil then
      report(("%s has a hole at %d; expected a list"):format(name, i))
      return nil
    end
    if option.items then item = check_value(option.items, item, report, name, i) end
    list[i] = item
  end
  return list
end

local function check_map(option, value, name, report)
  local map = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" then
      report(("%s has an entry without a name; expected a table of names and values"):format(name))
    else
      if option.items then item = check_value(option.items, item, report, name, key) end
      map[key] = item
    end
  end
  return map
end

local function check_fields(option, value, name, report)
  if not option.fields then return value end
  return check.options(option.fields, value, report, name)
end

local TABLES = { list = check_list, map = check_map, table = check_fields }

-- Names of scalars are put together only where somebody is told one.
function check_value(option, value, report, prefix, key)
  local of_table = TABLES[option.type]
  if not of_table then return check_scalar(option, value, report, prefix, key) end
  local name = full_name(prefix, key)
  if type(value) ~= "table" then
    report(("%s is %s; expected %s"):format(name, shown(option, value), EXPECTED[option.type]))
    return nil
  end
  return of_table(option, value, name, report)
end

local function default_of(option)
  local default = option.default
  if type(default) == "string" and (option.type == "duration" or option.type == "size"
      or option.type == "by") then
    return SCALARS[option.type](default)
  end
  return default
end

-- What is the same for all tables that are held against some options: thousands of routes are.
local prepared = setmetatable({}, { __mode = "k" })

local function prepare(options)
  local form = { names = {}, defaults = {}, required = {} }
  for name, option in pairs(options) do
    local default = default_of(option)
    if default ~= nil then
      form.names[#form.names + 1] = name
      form.defaults[#form.defaults + 1] = default
    end
    if option.required then form.required[#form.required + 1] = name end
  end
  form.room = #form.names + 2
  prepared[options] = form
  return form
end

local function report_unknown(options, key, value, report, prefix)
  if type(key) == "string" then
    report(("%s is not known here%s"):format(full_name(prefix, key), nearest.hint(key, options)))
  else
    report(("%s has an entry without a name: %s"):format(prefix or "the table", values.show(value)))
  end
end

local function report_missing(options, form, given, report, prefix)
  for _, name in ipairs(form.required) do
    if given[name] == nil then
      report(full_name(prefix, name) .. " is missing; it is " .. options[name].help)
    end
  end
end

local function fill(checked, form, given)
  local names, defaults = form.names, form.defaults
  for i = 1, #names do
    local name = names[i]
    if given[name] == nil then checked[name] = defaults[i] end
  end
end

--- Says that what is checked against these options gets fields beside them: it has room for `count`
--- in all from the start.
---@param options table<string, PluginOption>
---@param count integer
function check.expect(options, count)
  local form = prepared[options] or prepare(options)
  form.room = count
end

local function given_of(options, form, given, report, prefix, others, checked)
  for key, value in pairs(given) do
    local option = type(key) == "string" and options[key]
    if option and not others[key] then
      checked[key] = check_value(option, value, report, prefix, key)
    elseif not others[key] then
      report_unknown(options, key, value, report, prefix)
    end
  end
  if #form.required > 0 then report_missing(options, form, given, report, prefix) end
end

local function count_of(map)
  local count = 0
  for _ in pairs(map) do count = count + 1 end
  return count
end

--- The same as check.options without the defaults, in a table that has room for little more.
---@param options table<string, PluginOption>
---@param given table
---@param report fun(message: string)
---@param others table<any, any>  keys that are somebody else's to check
---@return table checked
function check.given(options, given, report, others)
  local checked = new_table(0, count_of(given) + 1)
  given_of(options, prepared[options] or prepare(options), given, report, nil, others, checked)
  return checked
end

--- The defaults of options, by name.
---@param options table<string, PluginOption>
---@return table
function check.defaults(options)
  local defaults = {}
  fill(defaults, prepared[options] or prepare(options), NONE)
  return defaults
end

--- Checks `given` against `options` (by name) and reports all that is wrong.
---@param options table<string, PluginOption>
---@param given table
---@param report fun(message: string)
---@param prefix string?  how the table is called in messages: "timeout" gives "timeout.connect"
---@return table checked  what was right, with defaults
function check.options(options, given, report, prefix)
  local form = prepared[options] or prepare(options)
  local checked = new_table(0, form.room)
  given_of(options, form, given, report, prefix, NONE, checked)
  fill(checked, form, given)
  return checked
end

return check
