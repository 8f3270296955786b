--- build_consumers: puts the configuration's consumers into a generation.

local bridge = require "moongate.ffi"

local C = bridge.C

local build_consumers = {}

local function add_consumer(builder, consumer)
  builder:begin(C.MOON_OBJECT_CONSUMER, consumer.at)
  builder:text(C.MOON_BUILD_CONSUMER_NAME, consumer.name)
  builder:texts(C.MOON_BUILD_KEY, consumer.keys)
  builder:texts(C.MOON_BUILD_GROUP, consumer.groups)
  for name, value in pairs(consumer.tags or {}) do
    builder:pair(C.MOON_BUILD_TAG, name, tostring(value))
  end
  builder:finish_or_report("consumer " .. consumer.name)
end

---@param builder ModelBuilder
---@param model Model
function build_consumers.add(builder, model)
  for _, consumer in ipairs(model.consumers) do add_consumer(builder, consumer) end
end

return build_consumers
