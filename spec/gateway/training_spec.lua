--- training_spec: the load that the profiled build is made for gets the answers that it wants.

local training = require "spec.bench.training"

describe("the load of a profile", function()
  -- It is made for what runs fast; with sanitizers its configuration alone takes long.
  if os.getenv "MOONGATE_BUILD" == "asan" then return end

  it("gets its answers", function()
    assert.is_true(training.run(1) > 0)
  end)
end)
